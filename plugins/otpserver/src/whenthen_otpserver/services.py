"""What the call that is going on offers to facts and actions, by type."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

import svcs

from whenthen import Missing
from whenthen.identity import AdminDirectory, TokenStore, UserDirectory

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from whenthen_otpserver.host import Work

__all__ = ["current", "register"]

current: ContextVar[Work | None] = ContextVar("whenthen_otpserver", default=None)
"""What the call of this context works with; None outside a call."""


def register(registry: svcs.Registry) -> None:
    """Offer the services. They belong to the call, so whoever asks for them never closes them."""
    from sqlalchemy.orm import Session

    registry.register_factory(TokenStore, _tokens, enter=False)
    registry.register_factory(UserDirectory, _users, enter=False)
    registry.register_factory(AdminDirectory, _admins, enter=False)
    registry.register_factory(Session, _session, enter=False)


def _work() -> Work:
    work = current.get()
    if work is None:
        raise Missing("No call of the OTP server is going on, so it offers nothing.")
    return work


def _tokens() -> TokenStore:
    return _work().tokens


def _users() -> UserDirectory:
    return _work().users


def _admins() -> AdminDirectory:
    return _work().admins


def _session() -> Session:
    return _work().session
