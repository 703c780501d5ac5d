"""A call of the API as plain data, and how the engine sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar, cast

import attrs
from attrs import field, frozen

from whenthen import Actor, Event, Position, Request, Response, UserRef
from whenthen.hosts import Adapter
from whenthen_otpserver.errors import Unreachable
from whenthen_otpserver.host import Work
from whenthen_otpserver.parameters import meant, parsed

__all__ = ["Answer", "Call", "EventSource", "Operation", "OtpAdapter"]

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


@frozen
class Call:
    """What is asked, by whom, and what there is to answer it with."""

    request: Request
    work: Work = field(repr=False)
    actor: Actor | None = None
    texts: frozenset[str] = frozenset()
    """The names of the parameters that can only be texts, since they came in a form or a query."""

    def parameters(self, kind: type[T], *, without: tuple[str, ...] = ()) -> T:
        """Return the parameters as an instance of an attrs class.

        Raises:
            BadRequest: with everything that is wrong with them.
        """
        given = {k: v for k, v in self.request.parameters.items() if k not in without}
        return parsed(kind, meant(kind, given, self.texts))

    @property
    def user(self) -> UserRef | None:
        """The user that the parameters name, in the default realm if they name none."""
        given = self.request.parameters
        name = given.get("user") or given.get("username")
        if not isinstance(name, str) or not name:
            return None
        realm, resolver = given.get("realm"), given.get("resolver")
        return UserRef(
            name,
            realm if isinstance(realm, str) and realm else self.work.users.default_realm(),
            resolver if isinstance(resolver, str) else "",
        )

    @property
    def serial(self) -> str | None:
        """The serial that the parameters name."""
        serial = self.request.parameters.get("serial")
        return serial if isinstance(serial, str) and serial else None


@frozen
class Answer:
    """What is answered: a JSON object, and an HTTP status."""

    body: Mapping[str, object]
    status: int = 200

    @classmethod
    def of(
        cls, value: object, detail: Mapping[str, object] | None = None, authentication: str = ""
    ) -> Answer:
        """Return an answer that says `value`."""
        result: dict[str, object] = {"status": True, "value": value}
        if authentication:
            result["authentication"] = authentication
        return cls({"result": result, "detail": dict(detail or {})})


Operation = Callable[[Call], Answer]


class EventSource(Protocol):
    """What this host needs of the engine."""

    def event(self, event_type: str, *, adapter: Adapter | None = None) -> Callable[[F], F]:
        """Return a decorator that makes each call of a function an event."""


@frozen
class OtpAdapter:
    """Makes events of calls of the API. Every call is made with one argument, a `Call`."""

    def event(self, event_type: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Event:
        """Return the event at position `pre`."""
        call = _call(args)
        return Event(
            event_type,
            Position.PRE,
            call.request,
            actor=call.actor,
            user=_user(event_type, call),
            serial=call.serial,
        )

    def returned(self, event: Event, result: object) -> Event:
        """Return the event at position `post`, of the token that the answer names."""
        assert isinstance(result, Answer)
        detail, actor = result.body.get("detail"), event.actor
        if event.type == "auth":
            actor = _logged_in(result.body.get("result"))
        serial = detail.get("serial") if isinstance(detail, Mapping) else None
        return attrs.evolve(
            event,
            position=Position.POST,
            actor=actor,
            response=Response(result.body, result.status),
            serial=event.serial or (serial if isinstance(serial, str) and serial else None),
        )

    def raised(self, event: Event, error: Exception) -> Event:
        """Return the event at position `error`."""
        return attrs.evolve(event, position=Position.ERROR, error=type(error).__name__)

    def call(
        self, event: Event, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the call as the changed request has it."""
        return (attrs.evolve(_call(args), request=event.request),), kwargs

    def result(self, event: Event, result: Any) -> Any:
        """Return the answer as the changed response has it."""
        assert event.response is not None
        return Answer(event.response.body, event.response.status)


def _call(args: tuple[Any, ...]) -> Call:
    return cast("Call", args[0])


def _user(event_type: str, call: Call) -> UserRef | None:
    """Return whom a call is about: the user that it names, else the one who calls."""
    if event_type == "auth" and _is_admin(call):
        return None
    user, actor = call.user, call.actor
    if user is None and actor is not None and actor.role == "user":
        user = UserRef(actor.name, actor.realm)
    if user is None:
        return None
    try:
        found = call.work.users.find(user)
    except Unreachable:  # the resolver stays open, as far as the event is concerned
        return user
    return found.ref if found else user


def _logged_in(result: object) -> Actor | None:
    value = result.get("value") if isinstance(result, Mapping) else None
    if not isinstance(value, Mapping):
        return None
    return Actor(str(value["role"]), str(value["username"]), str(value["realm"]))


def _is_admin(call: Call) -> bool:
    name, realm = call.request.parameters.get("username"), call.request.parameters.get("realm")
    return isinstance(name, str) and not realm and call.work.admins.named(name) is not None
