"""Facts at hand in the event itself: they cost no query."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

from whenthen import Actor, Fact, Missing, Response, Scope

__all__ = ["EVENT_FACTS"]

_at_hand = partial(Fact, cost=0)


def _actor(scope: Scope) -> Actor:
    if scope.event.actor is None:
        raise Missing("Nobody is logged in.")
    return scope.event.actor


def _response(scope: Scope) -> Response:
    if scope.event.response is None:
        raise Missing(f"There is no response at {scope.event.position}.")
    return scope.event.response


def _member(*path: str) -> Callable[[Scope], Any]:  # a JSON value, checked against the fact's type
    """Return a resolver for a member of the response's body."""

    def resolve(scope: Scope) -> Any:
        value: Any = _response(scope).body
        for part in path:
            if not isinstance(value, dict) or value.get(part) is None:
                raise Missing(f"The response has no {'.'.join(path)}.")
            value = value[part]
        return value

    return resolve


def _client(scope: Scope) -> str:
    if not scope.event.request.client:
        raise Missing("The caller's address is not known.")
    return scope.event.request.client


def _user_agent(scope: Scope) -> str:
    for name, value in scope.event.request.headers.items():
        if name.lower() == "user-agent":
            return value
    raise Missing("No User-Agent was sent.")


def _admin(scope: Scope) -> str:
    actor = _actor(scope)
    if actor.role != "admin":
        raise Missing("No administrator is logged in.")
    return actor.name


def _parameters(scope: Scope) -> dict[str, str]:
    return {
        name: str(value)
        for name, value in scope.event.request.parameters.items()
        if isinstance(value, str | int | float) and name not in scope.secrets
    }


def _error(scope: Scope) -> str:
    if scope.event.error is None:
        raise Missing("The operation raised nothing.")
    return scope.event.error


def _local(form: str) -> Callable[[Scope], str]:
    return lambda scope: scope.event.time.astimezone().strftime(form)


EVENT_FACTS = [
    _at_hand("event.type", str, lambda scope: scope.event.type, "The event type.", tag="action"),
    _at_hand("event.id", str, lambda scope: scope.event.id, "The event's identifier."),
    _at_hand("event.time", datetime, lambda scope: scope.event.time, "When it happened."),
    _at_hand("event.local_time", str, _local("%H:%M"), "The time of day, local.", tag="time"),
    _at_hand("event.local_date", str, _local("%Y-%m-%d"), "The date, local.", tag="date"),
    _at_hand("event.error", str, _error, "The class of the error that the operation raised."),
    _at_hand("actor.role", str, lambda scope: _actor(scope).role, "The role of who called."),
    _at_hand("actor.name", str, lambda scope: _actor(scope).name, "The name of who called."),
    _at_hand("actor.admin", str, _admin, "The administrator who called.", tag="admin"),
    _at_hand("request.client", str, _client, "The caller's IP address.", tag="client_ip"),
    _at_hand("request.user_agent", str, _user_agent, "The User-Agent.", tag="ua_string"),
    _at_hand("request.path", str, lambda scope: scope.event.request.path, "The path.", tag="url"),
    _at_hand(
        "request.parameters", dict, _parameters,
        "The request's parameters, but for those that the event type declares secret.",
        secret=True,
    ),
    _at_hand("result.value", bool, _member("result", "value"), "Whether the answer says yes."),
    _at_hand("result.status", bool, _member("result", "status"), "Whether the call succeeded."),
    _at_hand(
        "result.authentication", str, _member("result", "authentication"),
        "ACCEPT, REJECT, CHALLENGE or DECLINED.",
    ),
    _at_hand("result.message", str, _member("detail", "message"), "The answer's message."),
    _at_hand(
        "result.registration_code", str, _member("detail", "registrationcode"),
        "The registration code just made.", tag="registrationcode", secret=True,
    ),
    _at_hand(
        "result.key_uri", str, _member("detail", "googleurl", "value"),
        "The KEY URI of the token just enrolled.", tag="googleurl_value", secret=True,
    ),
    _at_hand(
        "result.pin", str, _member("detail", "pin"), "The PIN just set.", tag="pin", secret=True
    ),
]  # fmt: skip
