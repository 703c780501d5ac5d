"""The adapter for plain functions: their parameters are the request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs
from attrs import field, frozen

from whenthen.event import Actor, Event, Position, Request, Response, UserRef

__all__ = ["FunctionAdapter"]


@frozen
class FunctionAdapter:
    """Makes events of calls with keyword arguments.

    The arguments are the request's parameters. `serial`, `user` and `realm` among them are the
    event's. A result that is a mapping is the response's body; any other is its `result.value`.
    Positional arguments are passed on, but are no part of the event.
    """

    actor: Callable[[], Actor | None] = field(default=lambda: None)
    client: Callable[[], str | None] = field(default=lambda: None)

    def event(self, event_type: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Event:
        """Return the event at position `pre`."""
        serial, user = kwargs.get("serial"), kwargs.get("user")
        return Event(
            event_type,
            Position.PRE,
            Request(dict(kwargs), client=self.client()),
            actor=self.actor(),
            user=UserRef(user, str(kwargs.get("realm") or "")) if isinstance(user, str) else None,
            serial=serial if isinstance(serial, str) else None,
        )

    def returned(self, event: Event, result: object) -> Event:
        """Return the event at position `post`."""
        body = result if isinstance(result, Mapping) else {"result": {"value": result}}
        return attrs.evolve(event, position=Position.POST, response=Response(body))

    def raised(self, event: Event, error: Exception) -> Event:
        """Return the event at position `error`."""
        return attrs.evolve(event, position=Position.ERROR, error=type(error).__name__)

    def call(
        self, event: Event, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments as the changed request has them."""
        return args, dict(event.request.parameters)

    def result(self, event: Event, result: Any) -> Any:
        """Return the result as the changed response has it."""
        assert event.response is not None
        body = event.response.body
        return body if isinstance(result, Mapping) else body["result"]["value"]  # type: ignore[index]  # as `returned` made it
