"""The reference host of whenthen: users, realms, HOTP and TOTP tokens and a small HTTP API.

Importing this package loads nothing beyond `whenthen`. A host is opened with
`whenthen_otpserver.host.open_host` and served by `whenthen_otpserver.app.create_app`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from whenthen import EventType, hookimpl

if TYPE_CHECKING:
    import svcs

__all__ = ["EVENT_TYPES", "whenthen_event_types", "whenthen_services"]

_ENROLLED = ("otpkey", "googleurl", "registrationcode", "otps")

EVENT_TYPES = (
    EventType(
        "auth",
        "An administrator or a user logs in to this API.",
        secrets=frozenset({"password", "token"}),
    ),
    EventType(
        "token_init",
        "A token is enrolled.",
        secrets=frozenset({"pin", *_ENROLLED}),
    ),
    EventType("token_assign", "A token is assigned to a user."),
    EventType("token_unassign", "A token is taken from its owner."),
    EventType("token_enable", "A token is enabled."),
    EventType("token_disable", "A token is disabled."),
    EventType("token_delete", "A token is deleted."),
    EventType(
        "token_set",
        "Properties of a token are set: description, limits, validity, info.",
        secrets=frozenset({"pin"}),
    ),
    EventType("token_setpin", "The PIN of a token is set.", secrets=frozenset({"pin"})),
    EventType("token_reset", "The fail counter of a token is reset."),
    EventType(
        "token_resync",
        "A token is synchronised again, by two one-time passwords in a row.",
        secrets=frozenset({"otp1", "otp2"}),
    ),
    EventType("token_realm", "The realms of a token are set."),
    EventType("token_list", "Tokens are listed."),
    EventType(
        "validate_check",
        "Somebody authenticates with a PIN and a one-time password, or answers a challenge.",
        secrets=frozenset({"pass", "otp"}),
    ),
    EventType("user_add", "A user is added.", secrets=frozenset({"password"})),
    EventType("user_update", "A user is changed.", secrets=frozenset({"password"})),
    EventType("user_delete", "A user is deleted."),
    EventType("user_list", "Users are listed."),
)


@hookimpl
def whenthen_event_types() -> Sequence[EventType]:
    """Declare the calls of the API."""
    return EVENT_TYPES


@hookimpl
def whenthen_services(registry: svcs.Registry) -> None:
    """Offer what the call that is going on has: tokens, users, administrators, its transaction."""
    from whenthen_otpserver.services import register

    register(registry)
