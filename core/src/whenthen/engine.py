"""The way of an event: a call of the host, its bindings before, the operation, its bindings after.

Read `Engine.event` for the way through a call; what happens to each binding stands in `firing.py`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar, cast

from attrs import define, field, frozen

from whenthen.acting import acting
from whenthen.errors import DeclarationError
from whenthen.event import Event, Position
from whenthen.firing import Ports, fire
from whenthen.limits import Budget
from whenthen.plan import Compiled, Plan
from whenthen.protocols import Adapter
from whenthen.run import Services

__all__ = ["Engine"]

F = TypeVar("F", bound=Callable[..., Any])
_Places = Mapping[Position, tuple[Compiled, ...]]


class CurrentPlan(Protocol):
    """Holds the plan that is in force; somebody else looks after its freshness."""

    @property
    def plan(self) -> Plan:
        """The plan in force."""

    def close(self) -> None:
        """Stop looking after it."""


@frozen
class Engine:
    """Fires the bindings of a host's events. Made by `whenthen.build()`.

    `budget` is how many seconds all inline actions of one call may take together.
    """

    ports: Ports
    current: CurrentPlan
    open_services: Callable[[], AbstractContextManager[Services]]
    adapter: Adapter
    budget: float = 5.0
    _on_close: Callable[[], None] = field(default=lambda: None, repr=False)

    def event(self, event_type: str, *, adapter: Adapter | None = None) -> Callable[[F], F]:
        """Mark a function, plain or `async`, as the operation of an event type.

        Args:
            event_type: one that a plugin declares in the hook `whenthen_event_types`.
            adapter: how its calls become events; by default the engine's own.

        Raises:
            DeclarationError: nobody declares the event type.
        """
        if event_type not in self.ports.registry.event_types:
            raise DeclarationError(
                f"No plugin declares the event type {event_type!r}. "
                "Declare it in the hook whenthen_event_types, so that it can be bound."
            )
        used = adapter or self.adapter

        def decorate(function: F) -> F:
            wrap = self._async if inspect.iscoroutinefunction(function) else self._plain
            return cast("F", functools.wraps(function)(wrap(event_type, used, function)))

        return decorate

    def _plain(self, event_type: str, adapter: Adapter, function: Callable[..., Any]) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            places = self.current.plan.places.get(event_type)
            if places is None or acting.get():
                return function(*args, **kwargs)
            with self.open_services() as services:
                passage = _Passage(self, places, adapter, services)
                args, kwargs = passage.before(event_type, args, kwargs)
                try:
                    result = function(*args, **kwargs)
                except Exception as error:
                    passage.raised(error)
                    raise
                return passage.returned(result)

        return call

    def _async(
        self, event_type: str, adapter: Adapter, function: Callable[..., Awaitable[Any]]
    ) -> Any:
        import asyncio  # an asynchronous host has it already; others are spared its 30 ms

        async def call(*args: Any, **kwargs: Any) -> Any:
            places = self.current.plan.places.get(event_type)
            if places is None or acting.get():
                return await function(*args, **kwargs)
            # Facts and actions may wait for a database, so they run beside the event loop.
            with self.open_services() as services:
                passage = _Passage(self, places, adapter, services)
                args, kwargs = await asyncio.to_thread(passage.before, event_type, args, kwargs)
                try:
                    result = await function(*args, **kwargs)
                except Exception as error:
                    await asyncio.to_thread(passage.raised, error)
                    raise
                return await asyncio.to_thread(passage.returned, result)

        return call

    def fire(self, event: Event) -> Event:
        """Run the bindings of an event that the host built itself; return the event as changed.

        Raises:
            Aborted: a binding with `on_error: abort` failed.
        """
        bindings = self.current.plan.places.get(event.type, {}).get(event.position, ())
        if not bindings or acting.get():
            return event
        with self.open_services() as services:
            return fire(self.ports, event, bindings, services, Budget(self.budget))

    def close(self) -> None:
        """Write what is buffered and stop the threads; call it when the host ends."""
        self.current.close()
        self._on_close()


@define
class _Passage:
    """One call of the host on its way through `pre`, the operation, and `post` or `error`."""

    engine: Engine
    places: _Places
    adapter: Adapter
    services: Services
    event: Event = field(init=False)
    budget: Budget = field(init=False)

    def before(
        self, event_type: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        self.budget = Budget(self.engine.budget)
        self.event = self.adapter.event(event_type, args, kwargs)
        original = self.event.request
        self.event = self._fire(self.event)
        if self.event.request is original:
            return args, kwargs
        return self.adapter.call(self.event, args, kwargs)

    def returned(self, result: Any) -> Any:
        if Position.POST not in self.places:
            return result
        event = self.adapter.returned(self.event, result)
        fired = self._fire(event)
        return result if fired.response is event.response else self.adapter.result(fired, result)

    def raised(self, error: Exception) -> None:
        if Position.ERROR in self.places:
            self._fire(self.adapter.raised(self.event, error))

    def _fire(self, event: Event) -> Event:
        bindings = self.places.get(event.position, ())
        return fire(self.engine.ports, event, bindings, self.services, self.budget)
