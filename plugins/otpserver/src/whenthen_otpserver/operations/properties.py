"""Operations on the properties of tokens, and their list."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import attrs
from attrs import frozen

from whenthen import UserRef, option
from whenthen.identity import Token
from whenthen_otpserver.calls import Answer, Call
from whenthen_otpserver.errors import Forbidden
from whenthen_otpserver.operations.lifecycle import targets

__all__ = [
    "token_list",
    "token_realm",
    "token_reset",
    "token_resync",
    "token_set",
    "token_setpin",
]


@frozen
class _Set:
    serial: str = option("The token", minimum=1)
    description: str | None = option("Its description", default=None, maximum=1000)
    pin: str | None = option("Its PIN", default=None, maximum=200)
    max_failcount: int | None = option("Failed attempts that lock it", default=None, minimum=1)
    count_window: int | None = option(
        "How far to look ahead", default=None, minimum=1, maximum=1000
    )
    valid_from: datetime | None = option("When it begins to be valid", default=None)
    valid_till: datetime | None = option("When it ends to be valid", default=None)
    revoked: bool | None = option("Whether it is revoked; that cannot be undone", default=None)
    info: Mapping[str, str] = option("Entries of its info", default={})


@frozen
class _Pin:
    serial: str = option("The token", minimum=1)
    pin: str = option("Its new PIN", maximum=200)


@frozen
class _Resync:
    serial: str = option("The token", minimum=1)
    otp1: str = option("A one-time password", minimum=1, maximum=20)
    otp2: str = option("The next one", minimum=1, maximum=20)


@frozen
class _Realms:
    serial: str = option("The token", minimum=1)
    realms: tuple[str, ...] = option("The realms that it is in from now on")


@frozen
class _List:
    serial: str = option("Only this token", default="")
    type: str = option("Only tokens of this type", default="")
    tokenrealm: str = option("Only tokens in this realm", default="")
    user: str = option("Only tokens of this user", default="")
    realm: str = option("The user's realm", default="")
    resolver: str = option("The user's resolver", default="")


def token_set(call: Call) -> Answer:
    """Set properties of a token."""
    given, tokens = call.parameters(_Set), call.work.tokens
    tokens.require(given.serial)
    names = (
        "description", "max_failcount", "count_window", "valid_from", "valid_till",
    )  # fmt: skip
    values = {name: getattr(given, name) for name in names}
    values["revoked"] = given.revoked or None
    if changed := {name: value for name, value in values.items() if value is not None}:
        tokens.set(given.serial, **changed)
    for key, value in given.info.items():
        tokens.set_info(given.serial, key, value)
    if given.pin is not None:
        tokens.set_pin(given.serial, given.pin)
    return Answer.of(len(changed) + len(given.info) + (given.pin is not None))


def token_setpin(call: Call) -> Answer:
    """Set the PIN of a token."""
    given = call.parameters(_Pin)
    call.work.tokens.set_pin(given.serial, given.pin)
    return Answer.of(1)


def token_reset(call: Call) -> Answer:
    """Reset the fail counter of a token, or of all of a user's."""
    serials = targets(call)
    for serial in serials:
        call.work.tokens.set_failcount(serial, 0)
    return Answer.of(len(serials))


def token_resync(call: Call) -> Answer:
    """Find the counter of a token by two one-time passwords in a row."""
    given = call.parameters(_Resync)
    found = call.work.tokens.resync(given.serial, given.otp1, given.otp2, datetime.now(UTC))
    return Answer.of(found)


def token_realm(call: Call) -> Answer:
    """Set the realms of a token."""
    given = call.parameters(_Realms)
    call.work.tokens.set_realms(given.serial, given.realms)
    return Answer.of(True)


def token_list(call: Call) -> Answer:
    """List tokens; users see their own, whatever they ask for."""
    given, tokens, user = call.parameters(_List), call.work.tokens, call.user
    if call.actor is None or call.actor.role != "admin":
        user = _own(call, user)
    found = tokens.owned_by(user) if user else tokens.select()
    listed = [
        _shown(token)
        for token in found
        if given.serial in ("", token.serial)
        and given.type in ("", token.type)
        and (not given.tokenrealm or given.tokenrealm in token.realms)
    ]
    return Answer.of({"count": len(listed), "tokens": listed})


def _own(call: Call, asked: UserRef | None) -> UserRef:
    actor = call.actor
    if actor is None or (asked and (asked.name, asked.realm) != (actor.name, actor.realm)):
        raise Forbidden("Users may list only their own tokens.")
    return UserRef(actor.name, actor.realm)


def _shown(token: Token) -> dict[str, object]:
    owner = token.owner
    return attrs.asdict(token, value_serializer=_as_json) | {
        "tokentype": token.type,
        "username": owner.name if owner else "",
        "user_realm": owner.realm if owner else "",
        "locked": token.locked,
        "realms": sorted(token.realms),
    }


def _as_json(_token: object, _field: object, value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value
