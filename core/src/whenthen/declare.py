"""Declarations: what a plugin brings, as frozen data. Nothing here runs anything.

A declaration checks itself; what contradicts itself raises DeclarationError, which names it.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

import attrs
from attrs import field, frozen

from whenthen.errors import DeclarationError
from whenthen.event import Position
from whenthen.operands import Operand
from whenthen.options import spec_of
from whenthen.outcome import Outcome
from whenthen.run import Run, Scope

__all__ = [
    "API_VERSION",
    "Action",
    "Condition",
    "Effect",
    "EventType",
    "Fact",
    "HandlerModule",
    "Resource",
]

API_VERSION = 1
"""The version of the contract with plugins. A plugin may say `WHENTHEN_API = 1` in its module."""

_LOOSE = (list, set, frozenset, dict, Sequence, Iterable)
ALL_POSITIONS = frozenset(Position)
_NAME = re.compile(r"[a-z][a-z0-9_]*(?:\.[a-z0-9_]+)*")


class Effect(StrEnum):
    """What an action touches; it decides how the action runs."""

    MODIFY = "modify"
    """Changes the request or the response: inline, by value."""
    LOCAL = "local"
    """Changes the host's own data: inline, in the host's transaction, under a savepoint."""
    EXTERNAL = "external"
    """Reaches outside the host: deferred into the outbox, delivered after the host's commit."""
    OBSERVE = "observe"
    """Looks only: inline, with nothing of the host's changed."""


def _check_name(_self: object, _field: object, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise DeclarationError(
            f"The name {name!r} is not allowed: names are lower-case letters, digits and _, "
            "starting with a letter."
        )


def _check_class(_self: object, where: attrs.Attribute[Any], kind: type | None) -> None:
    if kind is not None and not attrs.has(kind):
        raise DeclarationError(
            f"{where.name} is {kind!r}, but must be a class decorated with attrs.frozen."
        )
    if kind is None:
        return
    for option in attrs.fields(attrs.resolve_types(kind)):
        written = typing.get_origin(option.type) or option.type
        if written in _LOOSE:
            raise DeclarationError(
                f"The option {option.name!r} of {kind.__name__} is a {written.__name__}: write "
                "tuple[..., ...] for a list of values, Mapping[str, ...] for named ones."
            )


def _check_callable(_self: object, where: attrs.Attribute[Any], value: object) -> None:
    if not callable(value):
        raise DeclarationError(f"{where.name} is {value!r}, but must be a function.")


def _check_public(self: object, where: attrs.Attribute[Any], kind: type | None) -> None:
    """Check an options class that has no place for secrets: only resources have their values."""
    _check_class(self, where, kind)
    for option in () if kind is None else attrs.fields(kind):
        if spec_of(option).secret:
            raise DeclarationError(
                f"The option {option.name!r} of {kind} is secret, but only a resource can have "
                "secrets. Declare a resource, and let the option name it."
            )


def _check_type(_self: object, _field: object, kind: Any) -> None:
    if not isinstance(kind, type) or typing.get_origin(kind) is not None:
        raise DeclarationError(f"The type of a fact must be a class such as str, not {kind!r}.")


def _positions(positions: Iterable[str]) -> frozenset[Position]:
    return frozenset(map(Position, positions))


def _texts(texts: Iterable[str]) -> frozenset[str]:
    return frozenset(texts)


FactNames = Callable[[Any], Iterable[str]]  # takes the action's own options


@frozen
class Action:
    """What can be done: `run` is called with a `Run` of the `options` class.

    `summary` defaults to the first line of the options' docstring. `facts` are the names of facts
    that the action reads, or a function that returns them for given options. `prepare` is called
    while the host's call is going on and returns, as JSON values, what the action needs beside
    facts and options; a deferred action finds it in `run.prepared`. `time_limit` is how many
    seconds a run may take, `fresh_for` how many seconds after the event a deferred action is still
    worth doing.
    """

    name: str = field()
    run: Callable[[Run[Any]], Outcome] = field(validator=_check_callable)
    options: type | None = field(default=None, validator=_check_public)
    effect: Effect = field(kw_only=True, converter=Effect)
    summary: str = field(kw_only=True)
    positions: frozenset[Position] = field(
        default=ALL_POSITIONS, converter=_positions, kw_only=True
    )
    facts: Sequence[str] | FactNames = field(default=(), kw_only=True)
    prepare: Callable[[Run[Any]], Mapping[str, object]] | None = field(default=None, kw_only=True)
    time_limit: float = field(default=10.0, kw_only=True)
    fresh_for: float = field(default=86400.0, kw_only=True)

    @summary.default
    def _from_docstring(self) -> str:
        return _first_line(self.options) or _first_line(self.run)

    @name.validator
    def _check(self, _field: object, name: str) -> None:
        # Scripts are actions under their file names, so a dot and a dash are allowed here.
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name):
            raise DeclarationError(f"The action name {name!r} is not allowed.")

    def facts_of(self, options: object) -> tuple[str, ...]:
        """Return the names of the facts that the action reads with these options."""
        return tuple(self.facts(options) if callable(self.facts) else self.facts)


def _first_line(thing: object) -> str:
    lines = (getattr(thing, "__doc__", None) or "").strip().splitlines()
    return lines[0] if lines else ""


@frozen
class Resource:
    """A kind of named, reusable configuration that options refer to: a mail server, a gateway."""

    name: str = field(validator=_check_name)
    options: type = field(validator=_check_class)
    summary: str = ""


@frozen
class HandlerModule:
    """A named bundle of actions.

    `actions` is a sequence, or a function that takes the module's settings and returns one; it may
    raise `Unavailable` with the reason why there are none now. `settings` is an attrs class whose
    fields are filled from `build(settings=...)` or from the environment variables
    `WHENTHEN_<MODULE>_<FIELD>`.
    """

    name: str = field(validator=_check_name)
    summary: str
    actions: Sequence[Action] | Callable[[Any], Sequence[Action]]  # takes the settings class
    settings: type | None = field(default=None, validator=_check_public, kw_only=True)
    resources: Sequence[Resource] = field(default=(), kw_only=True)

    def __attrs_post_init__(self) -> None:
        if not callable(self.actions):
            check_actions(self.name, self.actions)


def check_actions(module: str, actions: Sequence[Action]) -> None:
    """Raise DeclarationError if `actions` are not actions, each with a name of its own."""
    names: set[str] = set()
    for action in actions:
        if not isinstance(action, Action):
            raise DeclarationError(f"The handler module {module!r} lists {action!r} as an action.")
        if action.name in names:
            raise DeclarationError(
                f"The handler module {module!r} declares the action {action.name!r} twice."
            )
        names.add(action.name)


@frozen
class Fact:
    """A named, typed value about an event, resolved lazily and at most once per event.

    `resolve` takes a `Scope`, and returns the value, or `Sourced(value, source)`. It raises
    `Missing(reason)` when the fact cannot be determined. `type` is `bool`, `int`, `str`,
    `datetime`, `frozenset` (of texts) or `dict` (of texts by name: `token.info.vendor` is one
    of them); any other type is material for other facts and cannot be compared.
    `tag` makes the fact a tag of templates. A `secret` fact is masked wherever it is shown.
    `cost` orders evaluation: 0 is at hand, 1 takes a query.
    """

    name: str = field(validator=_check_name)
    type: type = field(validator=_check_type)
    resolve: Callable[[Scope], object] = field(validator=_check_callable)
    summary: str = ""
    tag: str = field(default="", kw_only=True)
    secret: bool = field(default=False, kw_only=True)
    cost: int = field(default=1, kw_only=True)


@frozen
class Sourced:
    """A fact's value together with where it came from: "serial from the response"."""

    value: object
    source: str


@frozen
class Condition:
    """A declared test over a fact; `operand` says which values a clause may have."""

    name: str = field(validator=_check_name)
    fact: str
    operand: Operand = field()
    summary: str = ""
    group: str = field(default="", kw_only=True)

    @operand.validator
    def _check(self, _field: object, operand: object) -> None:
        if not callable(getattr(operand, "parse", None)):
            raise DeclarationError(f"The condition {self.name!r} has no operand but {operand!r}.")


@frozen
class EventType:
    """A host operation that can be bound.

    `secrets` are the names of request parameters and response members that hold secrets; they are
    masked in whatever is stored or leaves the host.
    """

    name: str = field(validator=_check_name)
    summary: str = ""
    secrets: frozenset[str] = field(default=frozenset(), converter=_texts, kw_only=True)
