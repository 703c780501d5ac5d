"""Facts of one event: resolved lazily, each at most once, with the source they came from."""

from __future__ import annotations

from typing import Any, TypeVar

from attrs import define, field, frozen

from whenthen.declare import Fact, Sourced
from whenthen.errors import Missing
from whenthen.event import MASK, Event
from whenthen.registry import Registry
from whenthen.run import Services
from whenthen.template import text_of

__all__ = ["Facts", "Known"]

T = TypeVar("T")


@frozen
class Known:
    """A fact's value, and where it came from."""

    value: Any  # as the fact's declaration says
    source: str = ""


@define
class Facts:
    """The facts of one event; it is also the `Scope` that their resolvers ask."""

    event: Event
    _registry: Registry
    _services: Services
    _resolved: dict[str, Known | Missing] = field(factory=dict)
    _open: list[list[str]] = field(factory=list)

    def resolve(self, name: str) -> Known | Missing:
        """Return a fact's value with its source, or why it is unknown. Never raises."""
        found = self._resolved.get(name)
        if found is None:
            # Whoever asks for the fact while it is being resolved would wait for itself.
            self._resolved[name] = Missing(f"{name} depends on itself.")
            self._open.append([])
            found = self._resolved[name] = self._find(name)
            self._open.pop()
        if self._open and isinstance(found, Known) and found.source:
            self._open[-1].append(found.source)
        return found

    def fact(self, name: str) -> Any:  # as the fact's declaration says
        """Return a fact's value; raises Missing if it is unknown."""
        found = self.resolve(name)
        if isinstance(found, Missing):
            raise found
        return found.value

    @property
    def secrets(self) -> frozenset[str]:
        """The names of the event's parameters that hold secrets."""
        return self._registry.secrets(self.event.type)

    def service(self, kind: type[T]) -> T:
        """Return the host's service of a type; raises Missing if nobody offers it."""
        return self._services.service(kind)

    def shown(self, name: str, value: object) -> str:
        """Return a value of the fact `name` as text, masked if the fact is secret."""
        declared = self._registry.fact(name)
        if declared and declared[0].secret:
            return MASK
        # Material for other facts, such as the user's tokens, may hold anything.
        return f"{len(value)} entries" if isinstance(value, tuple) else text_of(value)

    def _find(self, name: str) -> Known | Missing:
        declared = self._registry.fact(name)
        if declared is None:
            return Missing(f"No plugin declares the fact {name!r}.")
        fact, key = declared
        try:
            if key:
                return self._member(fact, key)
            value: Any = fact.resolve(self)
        except Missing as missing:
            return missing
        except (Exception, SystemExit) as error:  # noqa: BLE001  # its message may hold a secret
            return Missing(f"Resolving {name} raised {type(error).__name__}.")
        source = ""
        if isinstance(value, Sourced):
            value, source = value.value, value.source
        if not isinstance(value, fact.type):
            return Missing(f"{name} should be {fact.type.__name__} but is {type(value).__name__}.")
        return Known(value, source or next(iter(self._open[-1]), ""))

    def _member(self, fact: Fact, key: str) -> Known:
        value = self.fact(fact.name)
        if key not in value:
            raise Missing(f"{fact.name} has no {key!r}.")
        return Known(value[key], next(iter(self._open[-1]), ""))
