"""Every action of the token handler module, bound and fired through an engine."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import attrs
import pytest
import svcs
from attrs import define, field, frozen
from sqlalchemy.orm import Session

import whenthen
from whenthen import EventType, Record, Refused, UserRef, hookimpl, option, parse
from whenthen.binding import Binding
from whenthen.build import assemble
from whenthen.identity import Enrolled, Token, TokenStore, User, UserDirectory
from whenthen.plan import compile_binding

HUGO, EVENT = UserRef("hugo", "sales", "db"), "tokenhandler_test"
SECRET = "3132333435363738393031323334353637383930"


@frozen
class EnrolHotp:
    """What enrolling a hotp token takes."""

    digits: int = option("Digits", default=6, minimum=6, maximum=8)
    pin: str = option("The PIN", default="", pattern="[0-9]*")
    label: str = option("A label", default="")


@define
class Tokens:
    """The host's tokens; as a transaction it can be taken back to where a savepoint began."""

    tokens: dict[str, Token] = field(factory=dict)
    refused: frozenset[str] = frozenset()
    gone: frozenset[str] = frozenset()
    given: dict[str, object] = field(factory=dict)

    def get(self, serial: str) -> Token | None:
        return self.tokens.get(serial)

    def owned_by(self, owner: UserRef) -> Sequence[Token]:
        return [t for t in self.tokens.values() if t.owner and t.owner.name == owner.name]

    def enrolment(self, token_type: str) -> type:
        return {"hotp": EnrolHotp}[token_type]

    def token_types(self) -> Sequence[str]:
        return ["hotp"]

    def enroll(
        self,
        token_type: str,
        parameters: Mapping[str, object],
        *,
        owner: UserRef | None = None,
        realms: Sequence[str] = (),
    ) -> Enrolled:
        if "nowhere" in realms:
            raise LookupError(SECRET)
        if "closed" in realms:
            raise ValueError("The realm is closed.")
        self.given = dict(parameters)
        token = Token("NEW1", token_type, owner, frozenset(realms))
        self.tokens[token.serial] = token
        return Enrolled(token, {"otpkey": SECRET})

    def delete(self, serial: str) -> None:
        self._change(serial)
        del self.tokens[serial]

    def unassign(self, serial: str) -> None:
        self._change(serial, owner=None)

    def set_enabled(self, serial: str, enabled: bool) -> None:
        self._change(serial, enabled=enabled)

    def set_realms(self, serial: str, realms: Sequence[str]) -> None:
        self._change(serial, realms=frozenset(realms))

    def set_description(self, serial: str, description: str) -> None:
        self._change(serial, description=description)

    def set_failcount(self, serial: str, failcount: int) -> None:
        self._change(serial, failcount=failcount)

    def set_info(self, serial: str, key: str, value: str) -> None:
        self._change(serial, info={**self.tokens[serial].info, key: value})

    def _change(self, serial: str, **changes: Any) -> None:
        if serial in self.gone:
            raise LookupError(SECRET)
        if serial in self.refused:
            raise ValueError("It is in use.")
        self.tokens[serial] = attrs.evolve(self.tokens[serial], **changes)

    def connection(self) -> object:
        return SimpleNamespace(dialect=SimpleNamespace(name="memory"))

    @contextmanager
    def begin_nested(self) -> Iterator[None]:
        before = copy.copy(self.tokens)
        try:
            yield
        except BaseException:
            self.tokens = before
            raise


class Users:
    """The host's users: hugo only."""

    def find(self, user: UserRef) -> User | None:
        return User("hugo", "sales", "db") if user.name == "hugo" else None

    def in_realm(self, realm: str) -> Sequence[User]:
        return [User("hugo", "sales", "db")] if realm == "sales" else []

    def realms(self) -> Sequence[str]:
        return ["sales"]


@frozen
class Host:
    """A host application as a plugin."""

    tokens: Tokens

    @hookimpl
    def whenthen_event_types(self) -> Sequence[EventType]:
        return [EventType(EVENT)]

    @hookimpl
    def whenthen_services(self, registry: svcs.Registry) -> None:
        registry.register_value(TokenStore, self.tokens)
        registry.register_value(UserDirectory, Users())
        registry.register_value(Session, self.tokens)


@define
class World:
    """A host with tokens, and what it takes to fire one event at one binding."""

    url: str
    tokens: Tokens

    def fire(self, action: str, *, options: object = None, **call: object) -> Record:
        """Bind an action, call the host once, and return the record."""
        parts = assemble(database_url=self.url, plugins={"host": Host(self.tokens)})
        raw = {
            "name": "it", "events": [EVENT], "position": "pre", "handler": "tokenhandler",
            "action": action, "options": options or {},
        }  # fmt: skip
        binding = parse(Binding, raw)
        compile_binding(binding, parts.registry, {})
        parts.bindings.change(put=[binding], who="test")
        engine = whenthen.build(
            database_url=self.url, plugins={"host": Host(self.tokens)}, executor=None
        )

        @engine.event(EVENT)
        def operation(**_: object) -> str:
            return "answered"

        assert operation(**call) == "answered"
        engine.close()
        ((_, record), *_) = parts.records.find()
        parts.database.close()
        assert SECRET not in repr(record)
        return record


@pytest.fixture
def world(tmp_path: Path) -> World:
    tokens = [
        Token("A1", "hotp", HUGO, frozenset({"sales"}), failcount=7, info={"old": "1"}),
        Token("A2", "totp", HUGO, frozenset({"sales"}), enabled=False),
        Token("A3", "TOTP", HUGO),
        Token("B1", "hotp", UserRef("bea", "sales"), description="hers"),
    ]
    store = Tokens({token.serial: token for token in tokens})
    return World(f"sqlite:///{tmp_path / 'whenthen.db'}", store)


CHANGES: list[tuple[str, dict[str, object], Callable[[Token], object], object]] = [
    ("disable", {}, lambda t: t.enabled, False),
    ("unassign", {}, lambda t: t.owner, None),
    ("set_tokenrealm", {"realm": ["hq"]}, lambda t: t.realms, {"sales", "hq"}),
    ("set_tokenrealm", {"realm": ["hq"], "only_realm": True}, lambda t: t.realms, {"hq"}),
    ("set_description", {"description": "of {user} {x"}, lambda t: t.description, "of hugo {x"),
    ("set_failcounter", {}, lambda t: t.failcount, 0),
    ("set_failcounter", {"value": 3}, lambda t: t.failcount, 3),
    ("set_tokeninfo", {"key": "k", "value": "{serial}"}, lambda t: t.info,
     {"old": "1", "k": "A1"}),
]  # fmt: skip


@pytest.mark.parametrize(("action", "options", "read", "expected"), CHANGES)
def test_an_action_changes_the_token_of_the_event_and_no_other(
    world: World,
    action: str,
    options: dict[str, object],
    read: Callable[[Token], object],
    expected: object,
) -> None:
    before = dict(world.tokens.tokens)
    record = world.fire(action, options=options, serial="A1")
    assert (record.outcome, record.detail) == ("done", f"{action}: A1.")
    assert read(world.tokens.tokens["A1"]) == expected
    assert {**world.tokens.tokens, "A1": before["A1"]} == before


def test_enable(world: World) -> None:
    assert world.fire("enable", serial="A2").outcome == "done"
    assert world.tokens.tokens["A2"].enabled


def test_delete(world: World) -> None:
    assert world.fire("delete", serial="A1").outcome == "done"
    assert set(world.tokens.tokens) == {"A2", "A3", "B1"}


def test_the_only_token_of_the_user_is_the_token_of_the_event(world: World) -> None:
    assert world.fire("disable", user="bea").detail == "disable: B1."


@pytest.mark.parametrize(
    ("target", "serials"),
    [
        ({}, ["A1", "A2", "A3"]),
        ({"type": ["totp"]}, ["A2", "A3"]),
        ({"active": False}, ["A2"]),
        ({"type": ["totp"], "active": True}, ["A3"]),
    ],
)
def test_target_user_tokens(world: World, target: dict[str, object], serials: list[str]) -> None:
    options = {"target": {"kind": "user_tokens", **target}, "description": "touched"}
    record = world.fire("set_description", options=options, user="hugo", serial="B1")
    assert record.detail == f"set_description: {', '.join(serials)}."
    touched = [t.serial for t in world.tokens.tokens.values() if t.description == "touched"]
    assert touched == serials


@pytest.mark.parametrize(
    ("call", "target", "reason"),
    [
        ({}, {"kind": "token"}, "neither a serial nor a user"),
        ({"serial": "ZZ"}, {"kind": "token"}, "The serial names no token."),
        ({"user": "hugo"}, {"kind": "token"}, "the user has 3 tokens"),
        ({}, {"kind": "user_tokens"}, "neither a serial nor a user"),
        ({"user": "nobody"}, {"kind": "user_tokens"}, "The user has no such token."),
        ({"user": "hugo"}, {"kind": "user_tokens", "type": ["sms"]}, "has no such token."),
    ],
)
def test_without_a_token_the_outcome_is_unknown(
    world: World, call: dict[str, object], target: dict[str, object], reason: str
) -> None:
    before = dict(world.tokens.tokens)
    record = world.fire("delete", options={"target": target}, **call)
    assert record.outcome == "unknown"
    assert reason in record.detail
    assert world.tokens.tokens == before


@pytest.mark.parametrize(
    ("trouble", "sentence"),
    [
        ("refused", "disable: the token A2 was refused: It is in use."),
        ("gone", "disable: there is no token A2 any more."),
    ],
)
def test_one_token_that_fails_undoes_all(world: World, trouble: str, sentence: str) -> None:
    setattr(world.tokens, trouble, frozenset({"A2"}))
    before = dict(world.tokens.tokens)
    record = world.fire("disable", options={"target": {"kind": "user_tokens"}}, user="hugo")
    assert (record.outcome, record.detail) == ("failed", sentence)
    assert world.tokens.tokens == before


def test_enroll_for_the_user(world: World) -> None:
    options = {"tokentype": "hotp", "realm": ["hq"], "parameters": {"digits": 8, "pin": "7391"}}
    record = world.fire("enroll", options=options, user="hugo")
    assert record.outcome == "done"
    assert record.detail == "Enrolled NEW1 (hotp) for hugo in the realm 'sales'."
    new = world.tokens.tokens["NEW1"]
    assert (new.owner, new.realms) == (HUGO, frozenset({"hq"}))
    assert world.tokens.given == {"digits": 8, "pin": "7391"}


def test_enroll_for_nobody(world: World) -> None:
    options = {"tokentype": "hotp", "assign_to_user": False}
    assert world.fire("enroll", options=options).detail == "Enrolled NEW1 (hotp)."
    assert world.tokens.tokens["NEW1"].owner is None


@pytest.mark.parametrize("call", [{}, {"user": "nobody"}])
def test_enroll_without_the_user_that_it_is_for(world: World, call: dict[str, object]) -> None:
    assert world.fire("enroll", options={"tokentype": "hotp"}, **call).outcome == "unknown"
    assert "NEW1" not in world.tokens.tokens


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"tokentype": "carrier"}, "no tokens of the type 'carrier'; its types are hotp."),
        ({"tokentype": "hotp", "realm": ["nowhere"]}, "its user or one of its realms is not there"),
        ({"tokentype": "hotp", "realm": ["closed"]}, "The realm is closed."),
    ],
)
def test_enroll_refused_by_the_host(
    world: World, options: dict[str, object], sentence: str
) -> None:
    record = world.fire("enroll", options=options, user="hugo")
    assert record.outcome == "failed"
    assert sentence in record.detail
    assert "NEW1" not in world.tokens.tokens


def test_enroll_names_all_wrong_parameters_and_none_of_their_values(world: World) -> None:
    parameters = {"digits": 4, "pin": "s3cret", "label": 7391, "colour": "red"}
    options = {"tokentype": "hotp", "parameters": parameters}
    record = world.fire("enroll", options=options, user="hugo")
    assert record.outcome == "failed"
    assert "parameters.digits expected at least 6;" in record.detail
    assert "parameters.pin expected text of the form [0-9]*;" in record.detail
    assert "parameters.label expected a text;" in record.detail
    assert "parameters.colour is not known here" in record.detail
    assert "s3cret" not in record.detail
    assert "7391" not in record.detail
    assert "NEW1" not in world.tokens.tokens


@pytest.mark.parametrize(
    ("action", "options", "sentence"),
    [
        ("set_failcounter", {"value": -1}, "options.value: expected at least 0, got -1"),
        ("set_failcounter", {"value": "0"}, "options.value: expected a whole number"),
        ("set_tokenrealm", {}, "options.realm: is required"),
        ("set_tokenrealm", {"realm": []}, "options.realm: expected at least 1 entries"),
        ("set_tokeninfo", {"key": "", "value": ""}, "options.key: expected at least 1 characters"),
        ("set_description", {"description": "{nonsense}"}, "{nonsense} is no tag"),
        ("enroll", {}, "options.tokentype: is required"),
        ("delete", {"target": {"kind": "everything"}}, "expected `kind` to be one of token"),
        ("delete", {"target": {"kind": "token", "type": ["x"]}}, "type: is not known here"),
    ],
)
def test_wrong_options_are_refused_when_the_binding_is_saved(
    world: World, action: str, options: dict[str, object], sentence: str
) -> None:
    with pytest.raises(Refused) as refused:
        world.fire(action, options=options, serial="A1")
    assert sentence in refused.value.sentence
