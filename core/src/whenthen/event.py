"""What happens in a host: an event, and the raw material that its facts come from."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import attrs
from attrs import Factory, frozen

__all__ = ["Actor", "Event", "Position", "Request", "Response", "UserRef", "new_id", "plain"]

MASK = "********"
_CREDENTIALS = frozenset(
    form
    for name in ("Authorization", "Proxy-Authorization", "Cookie")
    for form in (name, name.lower())
)
_DEEPEST = 50


class Position(StrEnum):
    """Where in the host's operation a binding stands."""

    PRE = "pre"
    """Before the operation."""
    POST = "post"
    """After the operation returned."""
    ERROR = "error"
    """After the operation raised."""


def new_id() -> str:
    """Return a new identifier: 32 hexadecimal digits, never used before."""
    return uuid.uuid4().hex


def _now() -> datetime:
    return datetime.now(UTC)


@frozen
class Actor:
    """Who called: `role` is "admin" or "user"; a user also has a realm."""

    role: str
    name: str
    realm: str = ""


@frozen
class UserRef:
    """A user by name, as a request or a token names one; the user may not exist."""

    name: str
    realm: str = ""
    resolver: str = ""


@frozen
class Request:
    """What the host was asked to do. `client` is the caller's IP address."""

    parameters: Mapping[str, object] = Factory(dict)
    headers: Mapping[str, str] = Factory(dict)
    client: str | None = None
    method: str = ""
    path: str = ""


@frozen
class Response:
    """What the host answered: a JSON object, and an HTTP status where there is one."""

    body: Mapping[str, object] = Factory(dict)
    status: int = 200


@frozen
class Event:
    """One occurrence of an event type at one position.

    `id` is the same at `pre` and at `post` or `error` of one call. `user` and `serial` are those
    that the request or the response names. `error` is the class name of what the operation raised.
    """

    type: str
    position: Position
    request: Request = Factory(Request)
    response: Response | None = None
    error: str | None = None
    actor: Actor | None = None
    user: UserRef | None = None
    serial: str | None = None
    id: str = Factory(new_id)
    time: datetime = Factory(_now)

    def masked(self, secrets: frozenset[str]) -> dict[str, object]:
        """Return the event as JSON values, with every value under a name in `secrets` masked.

        Logins in headers are masked whatever `secrets` says.
        """
        data = plain(self, secrets | _CREDENTIALS)
        assert isinstance(data, dict)
        return data


def plain(value: Any, secrets: frozenset[str] = frozenset(), depth: int = 0) -> object:
    """Return `value` as JSON values; what has no JSON form is named by its type only."""
    if depth > _DEEPEST:
        return "<nested too deeply>"
    inner = functools.partial(plain, secrets=secrets, depth=depth + 1)
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return str(value)
        case datetime():
            return value.isoformat()
        case Mapping():
            return {
                str(key): MASK if key in secrets else inner(item) for key, item in value.items()
            }
        case bytes():
            return f"<{len(value)} bytes>"
        case Sequence() | set() | frozenset():
            return [inner(item) for item in value]
        case _ if attrs.has(type(value)):
            # The names of an event's own members are no parameters.
            return {f.name: inner(getattr(value, f.name)) for f in attrs.fields(type(value))}
        case _:
            return f"<{type(value).__name__}>"
