"""The hooks that a plugin may implement. They declare and observe; none runs inside an event.

A plugin decorates its implementations with `hookimpl` and names them like the functions here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pluggy

from whenthen.declare import Condition, EventType, Fact, HandlerModule

if TYPE_CHECKING:
    import svcs

    from whenthen.record import Record

__all__ = ["PROJECT", "hookimpl"]

PROJECT = "whenthen"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
"""Marks a function of a plugin as the implementation of the hook of the same name."""


@hookspec
def whenthen_handler_modules() -> Sequence[HandlerModule]:  # type: ignore[empty-body]  # a specification
    """Declare handler modules."""


@hookspec
def whenthen_conditions() -> Sequence[Condition]:  # type: ignore[empty-body]  # a specification
    """Declare conditions, usable with every handler module."""


@hookspec
def whenthen_facts() -> Sequence[Fact]:  # type: ignore[empty-body]  # a specification
    """Declare facts."""


@hookspec
def whenthen_event_types() -> Sequence[EventType]:  # type: ignore[empty-body]  # a specification
    """Declare event types; a host does."""


@hookspec
def whenthen_services(registry: svcs.Registry) -> None:
    """Register what a host, or a provider, offers to actions and facts."""


@hookspec
def whenthen_record(record: Record) -> None:
    """Observe a record. What an observer raises is logged and dropped."""
