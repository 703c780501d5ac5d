"""Operations on users."""

from __future__ import annotations

from typing import Any

import attrs
from attrs import frozen

from whenthen import UserRef, option
from whenthen_otpserver.calls import Answer, Call
from whenthen_otpserver.errors import NotFound

__all__ = ["user_add", "user_delete", "user_list", "user_update"]


@frozen
class _Attributes:
    givenname: str | None = option("The given name", default=None, maximum=200)
    surname: str | None = option("The surname", default=None, maximum=200)
    email: str | None = option("The mail address", default=None, maximum=254)
    mobile: str | None = option("The mobile number", default=None, maximum=40)
    phone: str | None = option("The telephone number", default=None, maximum=40)
    description: str | None = option("Anything else", default=None, maximum=1000)


@frozen
class _User(_Attributes):
    user: str = option("The user", pattern=r"[^\s/:@]+", maximum=200)
    realm: str = option("Their realm", default="")
    resolver: str = option("Their resolver", default="")
    password: str | None = option("Their password", default=None, minimum=1, maximum=1000)


@frozen
class _Named:
    user: str = option("The user", minimum=1)
    realm: str = option("Their realm", default="")


@frozen
class _List:
    realm: str = option("The realm; else the default one", default="")


def user_add(call: Call) -> Answer:
    """Add a user to the first resolver of the realm that can be written to."""
    given = call.parameters(_User)
    user = call.work.users.add(_ref(call), given.password, _attributes(given))
    return Answer.of(True, {"user": user.name, "realm": user.realm, "resolver": user.resolver})


def user_update(call: Call) -> Answer:
    """Change a user; an empty text takes an attribute away."""
    given = call.parameters(_User)
    call.work.users.update(_ref(call), given.password, _attributes(given))
    return Answer.of(True)


def user_delete(call: Call) -> Answer:
    """Delete a user."""
    call.parameters(_Named)
    call.work.users.delete(_ref(call))
    return Answer.of(True)


def user_list(call: Call) -> Answer:
    """List the users of a realm."""
    users = call.work.users
    realm = call.parameters(_List).realm or users.default_realm()
    if realm not in users.realms():
        raise NotFound(f"There is no realm {realm!r}.")
    return Answer.of([_shown(user) for user in users.in_realm(realm)])


def _ref(call: Call) -> UserRef:
    user = call.user
    assert user is not None  # the parameters have been parsed
    return user


def _attributes(given: _Attributes) -> dict[str, str]:
    values = {spot.name: getattr(given, spot.name) for spot in attrs.fields(_Attributes)}
    return {name: value for name, value in values.items() if value is not None}


def _shown(user: Any) -> dict[str, object]:
    return {
        "user": user.name,
        "realm": user.realm,
        "resolver": user.resolver,
        **dict(user.attributes),
    }
