"""The HTTP API: who may do what, and what is said about wrong requests."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from conftest import Api, NoBindings

from whenthen_otpserver import EVENT_TYPES
from whenthen_otpserver.app import create_app
from whenthen_otpserver.host import Host
from whenthen_otpserver.routes import ROUTES, Access
from whenthen_otpserver.settings import Login

KEY = b"12345678901234567890".hex()


def test_every_event_type_has_a_route() -> None:
    assert {route.event for route in ROUTES} == {each.name for each in EVENT_TYPES}


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
def test_wrong_credentials_all_read_the_same(anybody: Api, given: dict[str, str]) -> None:
    answer = anybody.call("POST", "/auth", status=401, **given)
    message = "The credentials are wrong."
    error = {"code": "unauthorized", "message": message}
    assert answer == {"result": {"status": False, "error": error}, "detail": {}}


def test_a_login_says_who_it_is(anybody: Api) -> None:
    value = anybody.value("POST", "/auth", username="alice", password="alice-pw")
    assert (value["role"], value["username"], value["realm"]) == ("user", "alice", "sales")


@pytest.mark.parametrize("route", [each for each in ROUTES if each.access is not Access.ANYBODY])
def test_who_is_not_logged_in_gets_401(anybody: Api, route: Any) -> None:
    path = route.path.replace("<", "").replace(">", "")
    for bearer in ("", "forged", anybody.as_("root", "root-pw").bearer[:-2]):
        Api(anybody.client, bearer).call(route.methods[0], path, status=401)


@pytest.mark.parametrize("route", [each for each in ROUTES if each.access is Access.ADMIN])
def test_users_get_403(anybody: Api, route: Any) -> None:
    alice = anybody.as_("alice", "alice-pw")
    path = route.path.replace("<", "").replace(">", "")
    alice.call(route.methods[0], path, status=403)


def test_users_see_their_own_tokens_only(api: Api, anybody: Api) -> None:
    for user in ("alice", "bob"):
        api.call("POST", "/token/init", user=user, serial=user)
    alice = anybody.as_("alice", "alice-pw")
    for parameters in ({}, {"realm": "sales"}, {"assigned": "true"}):
        found = alice.value("GET", "/token/", **parameters)["tokens"]
        assert [token["serial"] for token in found] == ["alice"]
    assert alice.value("GET", "/token/", user="bob")["tokens"] == []


def test_a_login_ends_with_time_and_with_the_account(
    open_host: Callable[..., Host], anybody: Api
) -> None:
    host = open_host(session_lifetime=1)
    brief = Api(create_app(NoBindings(), host).test_client()).as_("root", "root-pw")
    root, bob = anybody.as_("root", "root-pw"), anybody.as_("bob", "bob-pw")
    bob.call("GET", "/token/")
    root.call("DELETE", "/user/local/bob")
    bob.call("GET", "/token/", status=401)
    time.sleep(2.1)
    brief.call("GET", "/token/", status=401)
    root.call("GET", "/token/")


def test_users_log_in_with_a_token_where_that_is_set(open_host: Callable[..., Host]) -> None:
    app = create_app(NoBindings(), open_host(user_login=Login.TOKEN))
    api = Api(app.test_client()).as_("root", "root-pw")
    given = {"user": "alice", "pin": "1234", "otpkey": KEY}
    serial = api.call("POST", "/token/init", **given)["detail"]["serial"]
    for password in ("alice-pw", "1234000000"):
        api.call("POST", "/auth", status=401, username="alice", password=password)
    (token,) = api.value("GET", "/token/", serial=serial)["tokens"]
    assert token["failcount"] == 2  # a failed login counts although it is refused
    assert api.as_("alice", "1234755224").bearer
    api.call("POST", "/auth", status=401, username="alice", password="1234755224")


@pytest.mark.parametrize(
    ("method", "path", "parameters", "said"),
    [
        ("POST", "/token/init", {"type": "nothing"}, "no token type 'nothing'"),
        ("POST", "/token/init", {"user": "nobody"}, "no user 'nobody'"),
        ("POST", "/token/init", {"digits": 7}, "6 or 8"),
        ("POST", "/token/init", {"colour": "red"}, "colour"),
        ("POST", "/token/init", {"serial": "../x"}, "is not allowed"),
        ("POST", "/token/init", {"description": "x" * 1001}, "1000 characters"),
        ("POST", "/token/init", {"tokenrealm": ["nowhere"]}, "no realm 'nowhere'"),
        ("POST", "/token/init", {"user": ["alice"]}, "user: expected a text"),
        ("POST", "/token/init", {"user": "a\0b"}, "no text"),
        ("POST", "/token/init", {"user": "a\ud800b"}, "no text"),
        ("POST", "/token/set", {"serial": "x"}, "no token 'x'"),
        ("POST", "/token/enable", {}, "serial or user"),
        ("POST", "/token/enable", {"serial": "x", "user": "alice"}, "not both"),
        ("POST", "/token/enable", {"user": "nobody"}, "no user"),
        ("POST", "/token/resync", {"serial": "x", "otp1": "1"}, "otp2: is required"),
        ("GET", "/token/", {"page": "two"}, "page: expected a whole number"),
        ("GET", "/token/", {"page": "0"}, "at least 1"),
        ("GET", "/token/", {"assigned": "perhaps"}, "true or false"),
        ("POST", "/validate/check", {"user": "alice"}, "pass: is required"),
        ("POST", "/validate/check", {"pass": "x"}, "user or serial"),
        ("POST", "/auth", {"username": "root"}, "password: is required"),
    ],
)
def test_wrong_parameters_are_refused_with_a_sentence(
    api: Api, method: str, path: str, parameters: dict[str, Any], said: str
) -> None:
    status = 404 if said.startswith("no ") and said not in ("no text", "no realm 'nowhere'") else 400
    error = api.call(method, path, status=status, **parameters)["result"]["error"]
    assert said in error["message"]


def test_secrets_are_not_repeated(api: Api) -> None:
    for secret in ("pin", "otpkey"):
        given = {secret: 987654321}
        error = api.call("POST", "/token/init", status=400, **given)["result"]["error"]
        assert secret in error["message"]
        assert "987654321" not in error["message"]


def test_bodies_are_read_with_care(api: Api, host: Host) -> None:
    send = api.client.post
    for body in ("{", "[1]", "null", "[" * 20_000, ""):
        answer = send("/validate/check", data=body, content_type="application/json")
        assert (answer.status_code, answer.json["result"]["status"]) == (400, False), body  # type: ignore[index]
    big = send("/validate/check", data={"pass": "x" * host.settings.max_body, "user": "a"})
    assert big.status_code == 413
    twice = send("/validate/check", data={"pass": ["x", "y"], "user": "a"})
    assert twice.status_code == 400
    assert send("/nothing").get_json()["result"]["error"]["code"] == "not_found"
    assert send("/user/local/alice").status_code == 405
    assert send("/auth").headers["Cache-Control"] == "no-store"


def test_a_form_and_a_query_will_do(api: Api) -> None:
    headers = {"Authorization": f"Bearer {api.bearer}"}
    form = {"user": "alice", "digits": "8", "tokenrealm": "sales, support", "otpkey": KEY}
    made = api.client.post("/token/init", data=form, headers=headers).get_json()
    serial = made["detail"]["serial"]
    (token,) = api.value("GET", "/token/", serial=serial)["tokens"]
    assert token["realms"] == ["sales", "support"]
    checked = api.client.get(f"/validate/check?serial={serial}&pass=84755224").get_json()
    assert checked["result"]["authentication"] == "ACCEPT"
    assert checked["detail"]["serial"] == serial


def test_a_serial_is_taken_once(api: Api) -> None:
    api.call("POST", "/token/init", serial="ONE")
    error = api.call("POST", "/token/init", status=409, serial="ONE")["result"]["error"]
    assert error == {"code": "conflict", "message": "There is a token 'ONE' already."}


def test_a_failed_call_changes_nothing(api: Api, host: Host) -> None:
    api.call("POST", "/token/init", serial="ONE", user="alice")
    given = {"serial": "ONE", "description": "new", "count_window": 0}
    api.call("POST", "/token/set", status=400, **given)
    with host.begin() as unit:
        token = unit.tokens.get("ONE")
        assert token is not None
        assert token.description == ""
