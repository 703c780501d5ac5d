"""What stands behind a run of an action: in the host's call, and later from the outbox."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import field, frozen

from whenthen.configured import Configured
from whenthen.errors import Missing
from whenthen.event import plain
from whenthen.facts import Facts
from whenthen.plan import Compiled
from whenthen.run import Services
from whenthen.template import FACT_PREFIX, text_of

__all__ = ["LiveEnvironment", "StoredEnvironment", "snapshot"]

T = TypeVar("T")


@frozen
class _Base:
    module: str
    configured: Configured
    services: Services

    def service(self, kind: type[T]) -> T:
        return self.services.service(kind)

    def resource(self, kind: type[T], name: str) -> T:
        return self.configured.resource(kind, name)

    def settings(self, kind: type[T]) -> T:
        return self.configured.settings(self.module, kind)


@frozen
class LiveEnvironment(_Base):
    """In the host's call: facts are resolved now."""

    facts: Facts
    empty_tags: list[str] = field(factory=list)

    def fact(self, name: str) -> Any:  # as the fact's declaration says
        """Return a fact, resolved now; raises Missing."""
        return self.facts.fact(name)

    def tag(self, tag: str) -> str:
        """Return the text of a tag; note it if it has no value."""
        name = tag.removeprefix(FACT_PREFIX)
        if not tag.startswith(FACT_PREFIX):
            declared = self.configured.registry.tags.get(tag)
            name = declared.name if declared else tag
        try:
            return text_of(self.facts.fact(name))
        except Missing:
            self.empty_tags.append(tag)
            return ""


@frozen
class StoredEnvironment(_Base):
    """From the outbox: facts and tags are as they were at the event."""

    stored_facts: Mapping[str, object]
    stored_tags: Mapping[str, str]

    def fact(self, name: str) -> Any:  # as the fact's declaration says, as JSON
        """Return a fact as it was at the event; raises Missing."""
        if name not in self.stored_facts:
            raise Missing(f"{name} was not known at the event.")
        return self.stored_facts[name]

    def tag(self, tag: str) -> str:
        """Return the text of a tag as it was at the event."""
        return self.stored_tags.get(tag, "")


def snapshot(
    compiled: Compiled, environment: LiveEnvironment
) -> tuple[dict[str, object], dict[str, str]]:
    """Return the facts and tags that a deferred action will need, as they are now."""
    facts: dict[str, object] = {}
    for name in compiled.facts:
        try:
            facts[name] = plain(environment.fact(name))
        except Missing:
            continue
    return facts, {tag: environment.tag(tag) for tag in compiled.tags}
