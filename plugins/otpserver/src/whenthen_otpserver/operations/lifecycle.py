"""Operations that make, hand out, switch and delete tokens."""

from __future__ import annotations

import re
from datetime import datetime

from attrs import fields, frozen

from whenthen import option
from whenthen_otpserver.calls import Answer, Call
from whenthen_otpserver.errors import BadRequest, NotFound
from whenthen_otpserver.host import Work
from whenthen_otpserver.parameters import meant

__all__ = [
    "targets",
    "token_assign",
    "token_delete",
    "token_disable",
    "token_enable",
    "token_init",
    "token_unassign",
]


@frozen
class _Init:
    type: str = option("The type of the token", default="hotp")
    user: str = option("Its owner", default="")
    realm: str = option("The owner's realm", default="")
    resolver: str = option("The owner's resolver", default="")
    serial: str = option("Its serial; else one is made", default="", maximum=100)
    pin: str = option("Its PIN", default="", maximum=200)
    description: str = option("Its description", default="", maximum=1000)
    tokenrealm: tuple[str, ...] = option("The realms that it is put into", default=())
    max_failcount: int = option(
        "Failed attempts that lock it", default=10, minimum=1, maximum=10_000
    )
    count_window: int = option("How far to look ahead", default=10, minimum=1, maximum=1000)
    valid_from: datetime | None = option("When it begins to be valid", default=None)
    valid_till: datetime | None = option("When it ends to be valid", default=None)


@frozen
class _Target:
    serial: str = option("The token", default="")
    user: str = option("Or the user, whose tokens are all meant", default="")
    realm: str = option("The user's realm", default="")
    resolver: str = option("The user's resolver", default="")


@frozen
class _Assign:
    serial: str = option("The token", minimum=1)
    user: str = option("Its new owner", minimum=1)
    realm: str = option("The owner's realm", default="")
    resolver: str = option("The owner's resolver", default="")


@frozen
class _Serial:
    serial: str = option("The token", minimum=1)


_INIT = frozenset(spot.name for spot in fields(_Init))


def token_init(call: Call) -> Answer:
    """Enrol a token; the answer holds, this one time, what its holder needs."""
    own = {name: v for name, v in call.request.parameters.items() if name not in _INIT}
    given, tokens = call.parameters(_Init, without=tuple(own)), call.work.tokens
    kind = given.type.lower()
    if not re.fullmatch(r"[A-Za-z0-9_-]*", given.serial):
        raise BadRequest("The parameters are wrong: serial: expected letters, digits, - and _.")
    enrolled = tokens.enroll(
        kind,
        meant(tokens.enrolment(kind), own, call.texts),
        owner=call.user if given.user else None,
        realms=given.tokenrealm,
        serial=given.serial,
        pin=given.pin,
    )
    tokens.set(
        enrolled.token.serial,
        description=given.description,
        max_failcount=given.max_failcount,
        count_window=given.count_window,
        valid_from=given.valid_from,
        valid_till=given.valid_till,
    )
    return Answer.of(True, enrolled.detail)


def token_assign(call: Call) -> Answer:
    """Assign a token to a user."""
    given = call.parameters(_Assign)
    owner = call.user
    assert owner is not None
    call.work.tokens.assign(given.serial, owner)
    return Answer.of(True, {"serial": given.serial})


def token_unassign(call: Call) -> Answer:
    """Take a token, or all of a user's, from the owner."""
    serials = targets(call)
    for serial in serials:
        call.work.tokens.unassign(serial)
    return Answer.of(len(serials))


def token_enable(call: Call) -> Answer:
    """Enable a token, or all of a user's."""
    return _switch(call, True)


def token_disable(call: Call) -> Answer:
    """Disable a token, or all of a user's."""
    return _switch(call, False)


def token_delete(call: Call) -> Answer:
    """Delete a token for good."""
    call.work.tokens.delete(call.parameters(_Serial).serial)
    return Answer.of(1)


def _switch(call: Call, enabled: bool) -> Answer:
    serials = targets(call)
    for serial in serials:
        call.work.tokens.set_enabled(serial, enabled)
    return Answer.of(len(serials))


def targets(call: Call) -> list[str]:
    """Return the serial that the call names, or those of the tokens of its user.

    Raises:
        BadRequest: it names neither.
        NotFound: there is no such token, or no such user and no token that was theirs.
    """
    given = call.parameters(_Target)
    work: Work = call.work
    if given.serial:
        token = work.tokens.require(given.serial)
        owner = token.owner
        named = call.user
        if named and (owner is None or (owner.name, owner.realm) != (named.name, named.realm)):
            raise NotFound(f"The token {given.serial} is not one of that user's.")
        return [token.serial]
    user = call.user
    if user is None:
        raise BadRequest("The parameters are wrong: name a serial or a user.")
    found = [token.serial for token in work.tokens.owned_by(user)]
    if not found and work.users.find(user) is None:
        raise NotFound(f"There is no user {user.name!r} in the realm {user.realm!r}.")
    return found
