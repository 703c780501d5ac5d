"""A binding as an administrator writes it: what happens, under which conditions, and then what."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import attrs

from whenthen.event import Position
from whenthen.options import option

__all__ = ["Binding", "Mode", "OnError", "ResourceConfig", "as_written"]

NAME = r"[a-z0-9][a-z0-9_.-]{0,99}"


class OnError(StrEnum):
    """What becomes of the host's call when the action fails."""

    CONTINUE = "continue"
    ABORT = "abort"


class Mode(StrEnum):
    """When an action with the effect `external` runs."""

    DEFERRED = "deferred"
    """After the host's commit, from the outbox."""
    INLINE = "inline"
    """In the host's call, which waits for it."""


@attrs.frozen
class Binding:
    """Event types + position + action + options + conditions + order, under a stable name."""

    name: str = option("The stable name that plans, records and audit refer to", pattern=NAME)
    events: tuple[str, ...] = option("The event types it is bound to", minimum=1)
    position: Position = option("Where in the host's operation it stands")
    handler: str = option("The handler module")
    action: str = option("The action of the handler module")
    description: str = option("What it is for, in the administrator's words", default="")
    conditions: tuple[Mapping[str, object], ...] = option(
        "The clauses, all of which must be met", default=()
    )
    options: Mapping[str, object] = option("The action's options", default={})
    order: int = option("Bindings of an event run in ascending order, ties by name", default=0)
    active: bool = option("Whether it takes part at all", default=True)
    on_error: OnError | None = option(
        "continue or abort; the effect gives the default", default=None
    )
    mode: Mode | None = option("deferred or inline, for external actions", default=None)


@attrs.frozen
class ResourceConfig:
    """A named, reusable configuration that options refer to, as an administrator writes it."""

    name: str = option("The name that options refer to", pattern=NAME)
    kind: str = option("The kind of resource, such as mail_server")
    description: str = option("What it is for, in the administrator's words", default="")
    options: Mapping[str, object] = option("Its configuration", default={})


def as_written(thing: Binding | ResourceConfig) -> dict[str, object]:
    """Return a binding or resource as plain values, without what has its default."""
    written: dict[str, object] = {}
    for field in attrs.fields(type(thing)):
        value, default = getattr(thing, field.name), field.default
        if isinstance(default, attrs.Factory):  # type: ignore[arg-type]  # a class at run time
            default = default.factory()
        if value != default:
            written[field.name] = _plain(value)
    return written


def _plain(value: object) -> object:
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return value
