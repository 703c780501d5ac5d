"""The HTTP API: who may do what, and what is said about wrong requests."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from whenthen_otpserver import EVENT_TYPES
from whenthen_otpserver.app import create_app
from whenthen_otpserver.host import Host
from whenthen_otpserver.operations import ROUTES, Who
from whenthen_otpserver.server import Server
from whenthen_otpserver.settings import Login

KEY = b"12345678901234567890".hex()


def test_every_event_type_has_a_route() -> None:
    assert {route.event_type for route in ROUTES} == {each.name for each in EVENT_TYPES}


@pytest.mark.parametrize(
    "given",
    [
        {"username": "root", "password": "wrong"},
        {"username": "nobody", "password": "root-pw"},
        {"username": "alice", "password": "wrong"},
        {"username": "alice", "password": "alice-pw", "realm": "nowhere"},
        {"username": "carol", "password": "x"},
        {"username": "root", "password": "root-pw", "realm": "sales"},
    ],
)
def test_wrong_credentials_all_read_the_same(anybody: Any, given: dict[str, str]) -> None:
    answer = anybody.call("POST", "/auth", status=401, **given)
    error = {"code": "unauthorized", "message": "Wrong credentials."}
    assert answer == {"result": {"status": False, "error": error}, "detail": {}}


@pytest.mark.parametrize("route", [each for each in ROUTES if each.who is not Who.ANYONE])
def test_who_is_not_logged_in_gets_401(anybody: Any, route: Any) -> None:
    path = route.rule.replace("<", "").replace(">", "")
    for bearer in ("", "forged", anybody.as_("root", "root-pw").bearer[:-2]):
        client = attrs.evolve(anybody, bearer=bearer)
        client.call(route.methods[0], path, status=401)


@pytest.mark.parametrize("route", [each for each in ROUTES if each.who is Who.ADMIN])
def test_users_get_403(anybody: Any, route: Any) -> None:
    alice = anybody.as_("alice", "alice-pw")
    path = route.rule.replace("<", "").replace(">", "")
    alice.call(route.methods[0], path, status=403)


def test_users_see_their_own_tokens_only(api: Any, anybody: Any) -> None:
    for user in ("alice", "bob"):
        api.call("POST", "/token/init", user=user, serial=user)
    alice = anybody.as_("alice", "alice-pw")
    for parameters in ({}, {"user": "alice"}, {"user": "alice", "realm": "sales"}):
        found = alice.value("GET", "/token/", **parameters)["tokens"]
        assert [token["serial"] for token in found] == ["alice"]
    assert alice.value("GET", "/token/", serial="bob")["count"] == 0
    alice.call("GET", "/token/", status=403, user="bob")


def test_a_login_ends_with_time_and_with_the_account(
    opened: Callable[..., Host], client_of: Callable[[Host], Any]
) -> None:
    anybody = client_of(opened())
    brief = client_of(opened(session_lifetime=1)).as_("root", "root-pw")
    root, bob = anybody.as_("root", "root-pw"), anybody.as_("bob", "bob-pw")
    bob.call("GET", "/token/")
    root.call("DELETE", "/user/sales/bob")
    bob.call("GET", "/token/", status=401)
    time.sleep(2.1)
    brief.call("GET", "/token/", status=401)
    root.call("GET", "/token/")


def test_users_log_in_with_a_token_where_that_is_set(
    opened: Callable[..., Host], client_of: Callable[[Host], Any]
) -> None:
    api = client_of(opened(user_login=Login.TOKEN)).as_("root", "root-pw")
    given = {"user": "alice", "pin": "1234", "otpkey": KEY}
    serial = api.call("POST", "/token/init", **given)["detail"]["serial"]
    for password in ("alice-pw", "1234000000"):
        api.call("POST", "/auth", status=401, username="alice", password=password)
    assert api.shown(serial)["failcount"] == 2  # a failed login counts although it is refused
    assert api.as_("alice", "1234755224").bearer


@pytest.mark.parametrize(
    ("method", "path", "status", "parameters", "said"),
    [
        ("POST", "/token/init", 404, {"type": "nothing"}, "no token type 'nothing'"),
        ("POST", "/token/init", 404, {"user": "nobody"}, "no user 'nobody'"),
        ("POST", "/token/init", 400, {"digits": 7}, "6 or 8"),
        ("POST", "/token/init", 400, {"colour": "red"}, "colour"),
        ("POST", "/token/init", 400, {"serial": "../x"}, "serial"),
        ("POST", "/token/init", 400, {"description": "x" * 1001}, "1000 characters"),
        ("POST", "/token/init", 404, {"tokenrealm": ["nowhere"]}, "no realm 'nowhere'"),
        ("POST", "/token/init", 400, {"user": ["alice"]}, "user: expected a text"),
        ("POST", "/token/init", 400, {"user": "a\0b"}, "no text"),
        ("POST", "/token/init", 400, {"user": "a\ud800b"}, "no text"),
        ("POST", "/token/set", 404, {"serial": "x"}, "no token with the serial 'x'"),
        ("POST", "/token/enable", 400, {}, "serial or a user"),
        ("POST", "/token/enable", 404, {"user": "nobody"}, "no user"),
        ("POST", "/token/resync", 400, {"serial": "x", "otp1": "1"}, "otp2: is required"),
        ("POST", "/validate/check", 400, {"user": "alice"}, "pass"),
        ("POST", "/validate/check", 400, {"pass": "x"}, "name a user"),
        ("POST", "/auth", 400, {"username": "root"}, "password: is required"),
    ],
)
def test_wrong_parameters_are_refused_with_a_sentence(
    api: Any, method: str, path: str, status: int, parameters: dict[str, Any], said: str
) -> None:
    error = api.call(method, path, status=status, **parameters)["result"]["error"]
    assert said in error["message"]


def test_secrets_are_not_repeated(api: Any) -> None:
    for secret in ("pin", "otpkey"):
        error = api.call("POST", "/token/init", status=400, **{secret: 987654321})
        assert secret in error["result"]["error"]["message"]
        assert "987654321" not in str(error)


def test_bodies_are_read_with_care(api: Any, host: Host) -> None:
    send = api.client.post
    for body in ("{", "[1]", "null", "[" * 20_000):
        answer = send("/validate/check", data=body, content_type="application/json")
        assert (answer.status_code, answer.json["result"]["status"]) == (400, False), body
    big = send("/validate/check", data={"pass": "x" * host.settings.max_body, "user": "a"})
    assert big.status_code == 413
    twice = send("/validate/check", data={"pass": ["x", "y"], "user": "a"})
    assert twice.status_code == 400
    deep = '{"user": ' + "[" * 200 + "]" * 200 + ', "pass": "x"}'
    answer = send("/validate/check", data=deep, content_type="application/json")
    assert answer.status_code == 400
    assert send("/nothing").get_json()["result"]["error"]["code"] == "not_found"
    assert send("/user/local/alice").status_code == 405
    assert send("/auth").headers["Cache-Control"] == "no-store"


def test_a_form_and_a_query_will_do(api: Any) -> None:
    serial = api.call("POST", "/token/init", user="alice", otpkey=KEY)["detail"]["serial"]
    checked = api.client.get(f"/validate/check?serial={serial}&pass=755224").get_json()
    assert checked["result"]["authentication"] == "ACCEPT"
    assert checked["detail"]["serial"] == serial
    checked = api.client.post("/validate/check", data={"user": "alice", "pass": "287082"})
    assert checked.get_json()["result"]["value"] is True
    headers = {"Authorization": f"Bearer {api.bearer}"}
    form = {"user": "bob", "digits": "8", "tokenrealm": "sales, support", "otpkey": KEY}
    made = api.client.post("/token/init", data=form, headers=headers).get_json()
    assert api.shown(made["detail"]["serial"])["realms"] == ["sales", "support"]
    assert api.check("84755224", user="bob") == "ACCEPT"
    wrong = api.client.post("/token/init", data={"digits": "eight"}, headers=headers)
    assert "digits: expected a whole number" in wrong.get_json()["result"]["error"]["message"]


def test_a_reject_does_not_say_whose_pin_was_right(api: Any) -> None:
    for pin in ("1234", "9999"):
        api.call("POST", "/token/init", user="alice", pin=pin)
    for password in ("1234000000", "5555000000"):
        answer = api.call("POST", "/validate/check", user="alice", **{"pass": password})
        assert answer["detail"] == {"message": "Wrong credentials."}


def test_a_failed_call_changes_nothing(api: Any) -> None:
    api.call("POST", "/token/init", serial="ONE", user="alice")
    api.call("POST", "/token/init", status=409, serial="ONE")
    api.call("POST", "/token/init", status=404, serial="TWO", user="alice", tokenrealm=["no"])
    assert [token["serial"] for token in api.value("GET", "/token/")["tokens"]] == ["ONE"]


def test_the_server_serves_and_stops(host: Host) -> None:
    class Nothing:
        def event(self, event_type: str, *, adapter: object = None) -> Callable[[Any], Any]:
            return lambda operation: operation

    with Server(create_app(Nothing(), host.settings, host=host)) as server:
        body = json.dumps({"username": "root", "password": "root-pw"}).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{server.url}/auth", body, headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert json.load(answer)["result"]["value"]["role"] == "admin"
        url = server.url
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"{url}/auth", timeout=2)
