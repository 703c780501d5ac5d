"""Tokens that are handed out once: a registration code, and a list of passwords on paper."""

from __future__ import annotations

import hmac
import secrets
import string
from datetime import datetime

from attrs import frozen

from whenthen import option
from whenthen_otpserver.tokens.base import Label, Progress, State, TokenType
from whenthen_otpserver.tokens.oath import HotpEnrolment, find, hotp

__all__ = ["Paper", "PaperEnrolment", "Registration", "RegistrationEnrolment"]

_LETTERS = string.ascii_letters + string.digits


@frozen
class RegistrationEnrolment:
    """A registration code: it works once."""

    length: int = option("Characters of the code", default=24, minimum=12, maximum=64)


class Registration(TokenType[RegistrationEnrolment]):
    """A code that works once; using it is refused from then on."""

    name = "registration"
    prefix = "REG"
    enrolment = RegistrationEnrolment

    def fresh_seed(self, parameters: RegistrationEnrolment) -> bytes:
        """Return a random code."""
        return "".join(secrets.choice(_LETTERS) for _ in range(parameters.length)).encode()

    def enrolled(self, state: State[RegistrationEnrolment], label: Label) -> dict[str, object]:
        """Return the code."""
        return {"registrationcode": state.seed.decode()}

    def otp_length(self, state: State[RegistrationEnrolment]) -> int:
        """Return the length of the code."""
        return len(state.seed)

    def check(
        self, state: State[RegistrationEnrolment], otp: str, now: datetime
    ) -> Progress | None:
        """Return that the token is used up, if the code is right."""
        if state.counter or not hmac.compare_digest(state.seed, otp.encode()):
            return None
        return Progress(1, used_up=True)


@frozen
class PaperEnrolment(HotpEnrolment):
    """A printed list of one-time passwords."""

    count: int = option("How many are on the list", default=100, minimum=1, maximum=1000)


class Paper(TokenType[PaperEnrolment]):
    """A HOTP list on paper: one password after the other; whoever skips some loses them."""

    name = "paper"
    prefix = "PPR"
    enrolment = PaperEnrolment

    def fresh_seed(self, parameters: PaperEnrolment) -> bytes:
        """Return the given seed, or 160 random bits."""
        given = parameters.otpkey
        return bytes.fromhex(given) if given is not None else super().fresh_seed(parameters)

    def enrolled(self, state: State[PaperEnrolment], label: Label) -> dict[str, object]:
        """Return the list: one-time passwords by their number, from 0."""
        generator = hotp(state)
        return {
            "otps": {
                str(number): generator.generate(number).decode()
                for number in range(state.parameters.count)
            }
        }

    def otp_length(self, state: State[PaperEnrolment]) -> int:
        """Return the number of digits."""
        return state.parameters.digits

    def check(self, state: State[PaperEnrolment], otp: str, now: datetime) -> Progress | None:
        """Look ahead by the counter window, but not past the end of the list."""
        end = min(state.counter + state.count_window, state.parameters.count)
        found = find(state, otp, range(state.counter, end))
        if found is None:
            return None
        return Progress(found + 1, used_up=found + 1 == state.parameters.count)
