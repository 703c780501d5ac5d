"""The operations of the API: each takes a call and returns an answer, and is an event."""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

from whenthen_otpserver.calls import Operation
from whenthen_otpserver.operations import checks, lifecycle, properties, users

__all__ = ["ROUTES", "Route", "Who"]


class Who(StrEnum):
    """Who may ask for an operation."""

    ANYONE = "anyone"
    USER = "user"
    """Whoever is logged in; the operation sees to it that users stay with what is theirs."""
    ADMIN = "admin"


@frozen
class Route:
    """Where an operation is found, and who may ask for it."""

    event_type: str
    rule: str
    methods: tuple[str, ...]
    operation: Operation
    who: Who = Who.ADMIN
    keeps: bool = False
    """Whether what it wrote stays when it is refused: attempts count, whatever came of them."""


ROUTES = (
    Route("auth", "/auth", ("POST",), checks.auth, Who.ANYONE, keeps=True),
    Route("validate_check", "/validate/check", ("GET", "POST"), checks.validate_check,
          Who.ANYONE, keeps=True),
    Route("token_init", "/token/init", ("POST",), lifecycle.token_init),
    Route("token_assign", "/token/assign", ("POST",), lifecycle.token_assign),
    Route("token_unassign", "/token/unassign", ("POST",), lifecycle.token_unassign),
    Route("token_enable", "/token/enable", ("POST",), lifecycle.token_enable),
    Route("token_disable", "/token/disable", ("POST",), lifecycle.token_disable),
    Route("token_delete", "/token/<serial>", ("DELETE",), lifecycle.token_delete),
    Route("token_set", "/token/set", ("POST",), properties.token_set),
    Route("token_setpin", "/token/setpin", ("POST",), properties.token_setpin),
    Route("token_reset", "/token/reset", ("POST",), properties.token_reset),
    Route("token_resync", "/token/resync", ("POST",), properties.token_resync),
    Route("token_realm", "/token/realm/<serial>", ("POST",), properties.token_realm),
    Route("token_list", "/token/", ("GET",), properties.token_list, Who.USER),
    Route("user_add", "/user/", ("POST",), users.user_add),
    Route("user_update", "/user/", ("PUT",), users.user_update),
    Route("user_list", "/user/", ("GET",), users.user_list),
    Route("user_delete", "/user/<realm>/<user>", ("DELETE",), users.user_delete),
)  # fmt: skip
