"""Facts about the token and the user of an event, from the services that the host offers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from whenthen import Event, Fact, Missing, Scope, Sourced, UserRef
from whenthen.identity import AdminDirectory, Token, TokenStore, User, UserDirectory

__all__ = ["IDENTITY_FACTS"]


def _token(scope: Scope) -> Sourced:
    """Return the token of the event, and how it was found."""
    event, store = scope.event, scope.service(TokenStore)  # type: ignore[type-abstract]  # a protocol is the key of the service
    if event.serial:
        token = store.get(event.serial)
        if token is None:
            raise Missing("The serial names no token.")
        return Sourced(token, _source_of_serial(event))
    if event.user is None:
        raise Missing("No token is identified: the event has neither a serial nor a user.")
    owned = store.owned_by(event.user)
    if len(owned) != 1:
        raise Missing(f"No token is identified: the user has {len(owned)} tokens.")
    return Sourced(owned[0], "the user's only token")


def _source_of_serial(event: Event) -> str:
    in_request = event.request.parameters.get("serial") == event.serial
    return f"serial from the {'request' if in_request else 'response'}"


def _serial(scope: Scope) -> object:
    """Return the serial, which is still known when the token is gone."""
    if scope.event.serial:
        return Sourced(scope.event.serial, _source_of_serial(scope.event))
    return scope.fact("token").serial


def _type(scope: Scope) -> object:
    """Return the token's type; before it is enrolled, the type that is asked for."""
    requested = scope.event.request.parameters.get("type")
    if scope.event.type == "token_init" and isinstance(requested, str) and not scope.event.serial:
        return Sourced(requested.lower(), "type from the request")
    return scope.fact("token").type


def _ref(scope: Scope) -> Sourced:
    """Return who the user of the event is: the one it names, else the owner of its token."""
    if scope.event.user is not None:
        return Sourced(scope.event.user, "user from the request")
    owner = scope.fact("token").owner
    if owner is None:
        raise Missing("The event names no user, and its token has no owner.")
    return Sourced(owner, "owner of the token")


def _user(scope: Scope) -> User:
    return _found(scope, scope.fact("user.ref"))


def _owner(scope: Scope) -> User:
    ref = scope.fact("token").owner
    if ref is None:
        raise Missing("The token has no owner.")
    return _found(scope, ref)


def _found(scope: Scope, ref: UserRef) -> User:
    user = scope.service(UserDirectory).find(ref)  # type: ignore[type-abstract]  # as above
    if user is None:
        raise Missing("The user is not in its store.")
    return user


def _orphaned(scope: Scope) -> bool:
    owner = scope.fact("token").owner
    directory = scope.service(UserDirectory)  # type: ignore[type-abstract]  # as above
    return owner is not None and directory.find(owner) is None


def _actor_attributes(scope: Scope) -> dict[str, str]:
    actor = scope.event.actor
    if actor is None:
        raise Missing("Nobody is logged in.")
    if actor.role == "admin":
        found = scope.service(AdminDirectory).find(actor)  # type: ignore[type-abstract]  # as above
    else:
        found = scope.service(UserDirectory).find(UserRef(actor.name, actor.realm))  # type: ignore[type-abstract]  # as above
    if found is None:
        raise Missing("The one who is logged in is not in the directory.")
    return dict(found.attributes)


def _tokens(scope: Scope) -> tuple[Token, ...]:
    return tuple(scope.service(TokenStore).owned_by(scope.fact("user.ref")))  # type: ignore[type-abstract]  # as above


def _of_token(read: Callable[[Token], object]) -> Callable[[Scope], object]:
    return lambda scope: read(scope.fact("token"))


def _of_ref(read: Callable[[UserRef], str]) -> Callable[[Scope], str]:
    return lambda scope: read(scope.fact("user.ref"))


def _attribute(name: str) -> Callable[[Scope], Any]:  # a text, or Missing
    def resolve(scope: Scope) -> str:
        attributes = scope.fact("user").attributes
        if name not in attributes:
            raise Missing(f"The user has no {name}.")
        return str(attributes[name])

    return resolve


IDENTITY_FACTS = [
    Fact("token", Token, _token, "The token of the event: by its serial, or the user's only one."),
    Fact("token.serial", str, _serial, "The token's serial.", tag="serial"),
    Fact("token.type", str, _type, "The token's type.", tag="tokentype"),
    Fact("token.realms", frozenset, _of_token(lambda token: token.realms), "Its realms."),
    Fact("token.locked", bool, _of_token(lambda token: token.locked),
         "Whether the fail counter has reached its maximum."),
    Fact("token.enabled", bool, _of_token(lambda token: token.enabled), "Whether it is enabled."),
    Fact("token.has_owner", bool, _of_token(lambda token: token.owner is not None),
         "Whether it is assigned to a user."),
    Fact("token.is_orphaned", bool, _orphaned,
         "Whether it is assigned to a user who is gone from the store."),
    Fact("token.counter", int, _of_token(lambda token: token.counter), "Its counter (RFC 4226)."),
    Fact("token.failcount", int, _of_token(lambda token: token.failcount), "Its fail counter."),
    Fact("token.description", str, _of_token(lambda token: token.description),
         "Its description.", tag="tokendescription"),
    Fact("token.info", dict, _of_token(lambda token: dict(token.info)),
         "Its info: texts by name."),
    Fact("owner", User, _owner, "The owner of the token."),
    Fact("owner.attributes", dict, lambda scope: dict(scope.fact("owner").attributes),
         "The attributes of the token's owner."),
    Fact("user.ref", UserRef, _ref, "Who the user of the event is, whether they exist or not."),
    Fact("user", User, _user, "The user of the event: named in it, or the owner of its token."),
    Fact("user.name", str, _of_ref(lambda user: user.name), "The login name.", tag="user"),
    Fact("user.login", str, _of_ref(lambda user: user.name), "The login name.", tag="username"),
    Fact("user.realm", str, _of_ref(lambda user: user.realm), "The realm.", tag="realm"),
    Fact("user.userrealm", str, _of_ref(lambda user: user.realm), "The realm.", tag="userrealm"),
    Fact("user.resolver", str, _of_ref(lambda user: user.resolver), "The resolver."),
    Fact("user.attributes", dict, lambda scope: dict(scope.fact("user").attributes),
         "The user's attributes: texts by name."),
    Fact("user.givenname", str, _attribute("givenname"), "The given name.", tag="givenname"),
    Fact("user.surname", str, _attribute("surname"), "The surname.", tag="surname"),
    Fact("user.tokens", tuple, _tokens, "The tokens of the user."),
    Fact("actor.attributes", dict, _actor_attributes, "The attributes of who called."),
]  # fmt: skip
