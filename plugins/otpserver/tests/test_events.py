"""The host's calls as events of a real engine, with bindings in the host's own database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from attrs import frozen

import whenthen
from whenthen import Action, Change, Effect, HandlerModule, Outcome, Run, UserRef, hookimpl, option
from whenthen.build import assemble
from whenthen.configuration import read
from whenthen.identity import TokenStore
from whenthen_otpserver.app import create_app
from whenthen_otpserver.host import Host

KEY = b"12345678901234567890".hex()
BINDINGS = """
bindings:
  - {name: describe, events: [token_init], position: post, handler: probe, action: describe}
  - {name: half, events: [token_init], position: post, handler: probe, action: half, order: 5}
  - name: no-bob
    events: [token_init]
    position: pre
    handler: probe
    action: refuse
    on_error: abort
    conditions: [{tokentype: paper}]
  - {name: note, events: [token_init], position: error, handler: probe, action: note}
  - {name: rename, events: [token_setpin], position: pre, handler: probe, action: change}
  - name: stop-checks
    events: [validate_check]
    position: post
    handler: probe
    action: refuse
    on_error: abort
    conditions: [{token_locked: true}]
  - {name: watch, events: [auth, validate_check, token_list], position: post, handler: probe, action: watch}
"""  # noqa: E501  # YAML


@frozen
class Nothing:
    """Takes no options."""

    unused: bool = option("Not used", default=False)


class Probe:
    """A plugin that looks at events, and changes what it may."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def describe(self, run: Run[Nothing]) -> Outcome:
        store = run.service(TokenStore)  # type: ignore[type-abstract]  # a protocol is the key
        store.set_description(run.need("token").serial, "described")
        return Outcome.done()

    def half(self, run: Run[Nothing]) -> Outcome:
        store = run.service(TokenStore)  # type: ignore[type-abstract]  # as above
        store.set_description(run.need("token").serial, "half done")
        store.enroll("paper", {}, owner=UserRef("bob"))
        return Outcome.failed("It went wrong after it had begun.")

    def note(self, run: Run[Nothing]) -> Outcome:
        store = run.service(TokenStore)  # type: ignore[type-abstract]  # as above
        store.set_description("ONE", f"failed with {run.event.error}")
        return Outcome.done()

    def refuse(self, run: Run[Nothing]) -> Outcome:
        return Outcome.failed("No.")

    def change(self, run: Run[Nothing]) -> Outcome:
        return Outcome.done("", Change("pin", "9999", request=True))

    def watch(self, run: Run[Nothing]) -> Outcome:
        self.seen.append(run.event)
        return Outcome.done()

    @hookimpl
    def whenthen_handler_modules(self) -> list[HandlerModule]:
        effects = {
            "describe": Effect.LOCAL,
            "half": Effect.LOCAL,
            "note": Effect.LOCAL,
            "refuse": Effect.OBSERVE,
            "change": Effect.MODIFY,
            "watch": Effect.OBSERVE,
        }
        actions = [
            Action(name, getattr(self, name), Nothing, effect=effect, summary=name)
            for name, effect in effects.items()
        ]
        return [HandlerModule("probe", "Probes.", actions=actions)]


@pytest.fixture
def probe() -> Probe:
    return Probe()


@pytest.fixture
def api(host: Host, probe: Probe, client_of: Callable[[Host], Any]) -> Iterator[Any]:
    given: dict[str, Any] = {
        "database_url": host.settings.database_url,
        "plugins": {"probe": probe},
    }
    parts = assemble(**given)
    wanted = read(BINDINGS)
    parts.bindings.change(put=list(wanted.bindings.values()), delete=[], who="test")
    parts.records.close()
    parts.database.close()
    engine = whenthen.build(**given, executor=None)
    client = client_of(host)
    client.client = create_app(engine, host.settings, host=host).test_client()
    yield client.as_("root", "root-pw")
    engine.close()


def test_an_action_works_in_the_transaction_and_half_of_one_is_undone(api: Any) -> None:
    serial = api.call("POST", "/token/init", user="alice")["detail"]["serial"]
    assert api.shown(serial)["description"] == "described"
    assert api.value("GET", "/token/")["count"] == 1


def test_a_call_that_a_binding_aborts_changes_nothing(api: Any) -> None:
    error = api.call("POST", "/token/init", status=403, type="paper")["result"]["error"]
    assert error["code"] == "aborted"
    assert "no-bob" in error["message"]
    assert api.value("GET", "/token/")["count"] == 0


def test_what_a_binding_does_about_an_error_stays(api: Any) -> None:
    api.call("POST", "/token/init", serial="ONE", user="alice")
    given = {"serial": "TWO", "tokenrealm": ["nowhere"]}
    api.call("POST", "/token/init", status=404, **given)
    (token,) = api.value("GET", "/token/")["tokens"]
    assert (token["serial"], token["description"]) == ("ONE", "failed with NotFound")


def test_a_changed_request_is_what_the_operation_gets(api: Any) -> None:
    serial = api.call("POST", "/token/init", user="alice", otpkey=KEY)["detail"]["serial"]
    api.call("POST", "/token/setpin", serial=serial, pin="1111")
    assert api.check("9999755224", user="alice") == "ACCEPT"


def test_a_failure_counts_even_if_a_binding_aborts_the_call(api: Any) -> None:
    given = {"user": "alice", "otpkey": KEY, "max_failcount": 2}
    serial = api.call("POST", "/token/init", **given)["detail"]["serial"]
    assert api.check("000000", user="alice") == "REJECT"
    api.call("POST", "/validate/check", status=403, user="alice", **{"pass": "000000"})
    assert api.shown(serial)["failcount"] == 2


def test_events_say_who_and_what_and_keep_the_login_to_themselves(api: Any, probe: Probe) -> None:
    given = {"user": "alice", "otpkey": KEY, "pin": "1234"}
    serial = api.call("POST", "/token/init", **given)["detail"]["serial"]
    probe.seen.clear()
    api.check("1234755224", user="alice")
    api.call("GET", "/token/")
    api.as_("bob", "bob-pw")
    check, listing, auth = probe.seen
    alice = UserRef("alice", "sales", "local")
    assert (check.user, check.serial, check.actor) == (alice, serial, None)
    assert check.response.body["result"]["authentication"] == "ACCEPT"
    assert (listing.actor.role, listing.actor.name) == ("admin", "root")
    assert (listing.request.method, listing.request.client) == ("GET", "127.0.0.1")
    assert auth.user == UserRef("bob", "sales", "local")
    assert (auth.actor.role, auth.actor.name) == ("user", "bob")
    assert not [event for event in probe.seen if "Authorization" in event.request.headers]


def test_calls_at_the_same_time_do_not_get_into_each_others_way(api: Any) -> None:
    app, failed = api.client.application, []

    def enroll(number: int) -> None:
        headers = {"Authorization": f"Bearer {api.bearer}"}
        given = {"serial": f"T{number}", "user": "alice"}
        answer = app.test_client().post("/token/init", json=given, headers=headers)
        if answer.status_code != 200:
            failed.append(answer.get_json())

    threads = [threading.Thread(target=enroll, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert api.value("GET", "/token/")["count"] == 8
