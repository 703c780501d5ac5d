"""Tokens whose one-time password is sent: by mail, or as a text message."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TypeVar

from attrs import frozen
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.hotp import HOTP

from whenthen import option
from whenthen.identity import User
from whenthen_otpserver.tokens.base import ChallengeType, Progress, State

__all__ = ["Email", "EmailEnrolment", "Sms", "SmsEnrolment"]

_EMAIL = r"[^\s@<>,;:\"]{1,64}@[A-Za-z0-9.-]{1,190}"
_PHONE = r"\+?[0-9][0-9 ()/.-]{2,30}"
_DIGITS = 6
E_ = TypeVar("E_")


@frozen
class EmailEnrolment:
    """A token whose codes are mailed."""

    dynamic_email: bool = option(
        "Whether codes go to the address that the owner has at the time", default=False
    )
    email: str = option("The address that codes go to", default="", pattern=f"({_EMAIL})?")

    def __attrs_post_init__(self) -> None:
        if not (self.email or self.dynamic_email):
            raise ValueError("expected email, or dynamic_email: true")


@frozen
class SmsEnrolment:
    """A token whose codes are sent as text messages."""

    dynamic_phone: bool = option(
        "Whether codes go to the mobile number that the owner has at the time", default=False
    )
    phone: str = option("The number that codes go to", default="", pattern=f"({_PHONE})?")

    def __attrs_post_init__(self) -> None:
        if not (self.phone or self.dynamic_phone):
            raise ValueError("expected phone, or dynamic_phone: true")


class _Sent(ChallengeType[E_]):
    """The codes are HOTP values; a challenge names the counter of its own."""

    def code(self, state: State[E_], counter: int) -> str:
        """Return the code of a challenge."""
        generator = HOTP(state.seed, _DIGITS, SHA1())  # noqa: S303  # what RFC 4226 prescribes
        return generator.generate(counter).decode()

    def otp_length(self, state: State[E_]) -> int:
        """Return the number of digits."""
        return _DIGITS

    def check(self, state: State[E_], otp: str, now: datetime) -> Progress | None:
        """Refuse: a code is the answer to a challenge, never part of a password."""
        return None


class Email(_Sent[EmailEnrolment]):
    """Sends a code by mail."""

    name = "email"
    prefix = "MAIL"
    medium = "email"
    enrolment = EmailEnrolment

    def address(self, parameters: EmailEnrolment, owner: User | None) -> str:
        """Return the token's mail address, or its owner's."""
        if not parameters.dynamic_email:
            return parameters.email
        return _attribute(owner, "email", _EMAIL)


class Sms(_Sent[SmsEnrolment]):
    """Sends a code as a text message."""

    name = "sms"
    prefix = "SMS"
    medium = "sms"
    enrolment = SmsEnrolment

    def address(self, parameters: SmsEnrolment, owner: User | None) -> str:
        """Return the token's phone number, or its owner's mobile number."""
        if not parameters.dynamic_phone:
            return parameters.phone
        return _attribute(owner, "mobile", _PHONE)


def _attribute(owner: User | None, name: str, pattern: str) -> str:
    value = owner.attributes.get(name, "") if owner else ""
    return value if re.fullmatch(pattern, value) else ""
