"""The basic conditions, usable with every handler module."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from attrs import frozen

from whenthen import Choices, Condition, Flag, Number, Pattern, Refused, option, parse
from whenthen.identity import Token

__all__ = ["CONDITIONS"]


@frozen
class _Filter:
    """Which tokens of a user count, and how many there must be."""

    count: object = option("A comparison such as >= 2")
    type: tuple[str, ...] | None = option("Only tokens of these types", default=None)
    active: bool | None = option("Only enabled, or only disabled tokens", default=None)
    realm: tuple[str, ...] | None = option("Only tokens in one of these realms", default=None)

    def selects(self, token: Token) -> bool:
        return (
            (self.type is None or token.type in self.type)
            and (self.active is None or token.enabled is self.active)
            and (self.realm is None or not token.realms.isdisjoint(self.realm))
        )


@frozen
class _TokenCount:
    """A comparison of numbers, or `{count: ">= 2", type: [hotp], active: true, realm: [sales]}`."""

    def parse(self, raw: object) -> Callable[[Any, datetime], bool]:
        if not isinstance(raw, Mapping):
            raw = {"count": raw}
        try:
            chosen = parse(_Filter, raw)
        except Refused as error:
            raise ValueError(error.sentence) from None
        compare = Number().parse(chosen.count)
        return lambda tokens, now: compare(sum(map(chosen.selects, tokens)), now)

    def schema(self) -> dict[str, Any]:
        texts = {"type": "array", "items": {"type": "string"}}
        number = Number().schema()
        filtered = {
            "type": "object",
            "required": ["count"],
            "additionalProperties": False,
            "properties": {
                "count": number, "type": texts, "active": {"type": "boolean"}, "realm": texts,
            },
        }  # fmt: skip
        return {"anyOf": [number, filtered]}


CONDITIONS = [
    Condition("logged_in_user", "actor.role", Choices(("admin", "user")),
              "The role of the one who called.", group="user"),
    Condition("realm", "user.realm", Choices(),
              "The realm of the user in this event is one of these.", group="user"),
    Condition("user_token_number", "user.tokens", _TokenCount(),
              "The number of the user's tokens, filtered by type, state and realm.", group="user"),
    Condition("serial", "token.serial", Pattern(),
              "The token's serial matches from its start.", group="token"),
    Condition("tokentype", "token.type", Choices(),
              "The token's type; before it is enrolled, the one asked for.", group="token"),
    Condition("tokenrealm", "token.realms", Choices(),
              "Any realm of the token is one of these.", group="token"),
    Condition("token_locked", "token.locked", Flag(),
              "The fail counter has reached its maximum.", group="token"),
    Condition("token_has_owner", "token.has_owner", Flag(),
              "The token is assigned to a user.", group="token"),
    Condition("token_is_orphaned", "token.is_orphaned", Flag(),
              "The token is assigned, and its user is gone from the store.", group="token"),
    Condition("otp_counter", "token.counter", Number(), "The token's counter.", group="counter"),
    Condition("result_value", "result.value", Flag(), "The answer says yes.", group="response"),
]  # fmt: skip
