"""What an action is given when it runs, and what a fact's resolver may ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, Protocol, TypeVar

import attrs
from attrs import field, frozen

from whenthen.errors import Missing
from whenthen.event import Event
from whenthen.options import spec_of
from whenthen.template import identifiers, render

__all__ = ["Delivery", "Environment", "Run", "Scope", "Services"]

T = TypeVar("T")
O = TypeVar("O")  # noqa: E741  # O as in options


class Services(Protocol):
    """What the host offers, by type."""

    def service(self, kind: type[T]) -> T:
        """Return the host's service of a type.

        Raises:
            Missing: nobody offers it.
        """


class Scope(Services, Protocol):
    """What a fact's resolver may ask."""

    @property
    def event(self) -> Event:
        """The event that the fact is about."""

    @property
    def secrets(self) -> frozenset[str]:
        """The names of the event's parameters that hold secrets."""

    def fact(self, name: str) -> Any:  # a fact's type is what its declaration says
        """Return another fact.

        Raises:
            Missing: it is unknown; let it pass, and this fact is unknown for the same reason.
        """


class Environment(Services, Protocol):
    """What stands behind a run: this process's facts, services, resources and settings."""

    def fact(self, name: str) -> Any:
        """Return a fact, or raise Missing."""

    def tag(self, tag: str) -> str:
        """Return the text of a tag; if it has no value that is noted, and the text is empty."""

    def resource(self, kind: type[T], name: str) -> T:
        """Return a configured resource, or raise Unavailable."""

    def settings(self, kind: type[T]) -> T:
        """Return the settings of the action's handler module, or raise SettingsError."""


@frozen
class Delivery:
    """One attempt at a deferred action. `id` is the same over all attempts."""

    id: str
    attempt: int = 1


@frozen
class Run(Generic[O]):
    """One run of an action.

    `configured` are the options as the administrator wrote them, templates included. `deadline` is
    the moment, on the clock of `time.monotonic()`, by which the action should be over. `delivery`
    is set when the action was deferred and now runs from the outbox. `prepared` is what the
    action's `prepare` returned. `secrets` are the names of the
    parameters that hold secrets; `event.masked(secrets)` is fit to leave the host.
    """

    event: Event
    configured: O
    deadline: float
    secrets: frozenset[str] = frozenset()
    delivery: Delivery | None = None
    prepared: Mapping[str, object] = field(factory=dict)
    environment: Environment = field(repr=False, kw_only=True)

    @property
    def options(self) -> O:
        """The options, with every template rendered as plain text."""
        options: O = _rendered(self.configured, self.render)
        return options

    def fact(self, name: str, default: object = None) -> Any:  # as the fact's declaration says
        """Return a fact, or `default` if it is unknown.

        A deferred action sees the facts that its declaration names, as they were at the event.
        """
        try:
            return self.environment.fact(name)
        except Missing:
            return default

    def need(self, name: str) -> Any:  # as the fact's declaration says
        """Return a fact.

        Raises:
            Missing: it is unknown. Let it pass: the outcome is `unknown`, with that reason.
        """
        return self.environment.fact(name)

    def service(self, kind: type[T]) -> T:
        """Return the host's service of a type; raises Missing if nobody offers it."""
        return self.environment.service(kind)

    def resource(self, kind: type[T], name: str) -> T:
        """Return the resource that an option names, its secrets filled in.

        Raises:
            Unavailable: there is none of that name, or a secret of it cannot be read.
        """
        return self.environment.resource(kind, name)

    def settings(self, kind: type[T]) -> T:
        """Return the settings of the action's handler module.

        Raises:
            SettingsError: one is missing or wrong.
        """
        return self.environment.settings(kind)

    def render(
        self,
        text: str,
        own: Mapping[str, str] | None = None,
        escape: Callable[[str], str] = str,
    ) -> str:
        """Return a template of `configured` with its tags filled in.

        `own` are the values of tags that the action itself declares; `escape` makes each value fit
        for where the text goes, `html.escape` for instance.
        """
        values = dict(own or {})
        for tag in identifiers(text):
            if tag not in values:
                values[tag] = self.environment.tag(tag)
        return render(text, values, escape)


def _rendered(value: Any, fill: Callable[[str], str]) -> Any:
    """Return an instance of an attrs class with the templates in it filled in."""
    changes: dict[str, object] = {}
    for spot in attrs.fields(type(value)):
        old = getattr(value, spot.name)
        if spec_of(spot).template:
            changes[spot.name] = _filled(old, fill)
        elif attrs.has(type(old)):
            changes[spot.name] = _rendered(old, fill)
        elif isinstance(old, tuple) and any(attrs.has(type(item)) for item in old):
            changes[spot.name] = tuple(_rendered(item, fill) for item in old)
    return attrs.evolve(value, **changes) if changes else value


def _filled(value: object, fill: Callable[[str], str]) -> object:
    match value:
        case str():
            return fill(value)
        case tuple():
            return tuple(_filled(item, fill) for item in value)
        case Mapping():
            return {key: _filled(item, fill) for key, item in value.items()}
        case _:
            return value
