"""The changes that a `modify` action asks for, applied to an event by value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from whenthen.event import Event, Request, Response
from whenthen.outcome import REMOVED, Change

__all__ = ["changed"]


def changed(event: Event, changes: Sequence[Change]) -> Event:
    """Return the event with the changes applied; the original is left as it is.

    Raises:
        ValueError: a change goes to a response that is not there, or through a member that is no
            object.
    """
    for change in changes:
        if change.request:
            parameters = _with(event.request.parameters, [change.name], change.value)
            request: Request = attrs.evolve(event.request, parameters=parameters)
            event = attrs.evolve(event, request=request)
        elif event.response is None:
            raise ValueError(f"there is no response in which {change.name!r} could be changed")
        else:
            body = _with(event.response.body, change.name.split("/"), change.value)
            response: Response = attrs.evolve(event.response, body=body)
            event = attrs.evolve(event, response=response)
    return event


def _with(members: Mapping[str, Any], path: Sequence[str], value: object) -> dict[str, Any]:
    name, *rest = path
    copied = dict(members)
    if rest:
        inner = copied.get(name, {})
        if not isinstance(inner, Mapping):
            raise ValueError(f"{name!r} is no object, so it has no member {rest[0]!r}")
        copied[name] = _with(inner, rest, value)
    elif value is REMOVED:
        copied.pop(name, None)
    else:
        copied[name] = value
    return copied
