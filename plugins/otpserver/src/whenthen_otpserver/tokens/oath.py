"""HOTP (RFC 4226) and TOTP (RFC 6238), computed by `cryptography`."""

from __future__ import annotations

import secrets
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from attrs import frozen
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.twofactor import InvalidToken
from cryptography.hazmat.primitives.twofactor.hotp import HOTP
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from whenthen import option
from whenthen_otpserver.tokens.base import Label, Progress, State, TokenType

__all__ = ["HashName", "Hotp", "HotpEnrolment", "OathEnrolment", "Totp", "TotpEnrolment", "hotp"]

RESYNC_COUNTERS = 1000
"""How far ahead of its counter a HOTP token is looked for."""
RESYNC_SECONDS = 86400
"""How wrong a TOTP token's clock may be, either way, to be found again."""


class HashName(StrEnum):
    """The hash function of the HMAC."""

    SHA1 = "sha1"
    SHA256 = "sha256"
    SHA512 = "sha512"


_HASHES: dict[HashName, hashes.SHA1 | hashes.SHA256 | hashes.SHA512] = {
    HashName.SHA1: hashes.SHA1(),  # noqa: S303  # what RFC 4226 prescribes
    HashName.SHA256: hashes.SHA256(),
    HashName.SHA512: hashes.SHA512(),
}


def _check_digits(_self: object, _field: object, value: int) -> None:
    if value not in (6, 8):
        raise ValueError(f"expected digits to be 6 or 8, got {value}")


def _check_period(_self: object, _field: object, value: int) -> None:
    if value not in (30, 60):
        raise ValueError(f"expected period to be 30 or 60 seconds, got {value}")


def _check_key(_self: object, _field: object, value: str | None) -> None:
    """Refuse what is no key, without repeating it."""
    try:
        size = 16 if value is None else len(bytes.fromhex(value))
    except ValueError:
        raise ValueError("expected otpkey to be hexadecimal digits") from None
    if not 16 <= size <= 128:
        raise ValueError(f"expected otpkey to have 16 to 128 bytes, got {size}")


def _option(summary: str, check: Any, default: object) -> Any:  # a field specifier
    field = option(summary, default=default)
    field.validator(check)
    return field


@frozen
class OathEnrolment:
    """What HOTP and TOTP tokens have in common."""

    otpkey: str | None = _option(
        "The seed of a token that has one already, hexadecimal, 128 bits at least; "
        "else a fresh one is made",
        _check_key,
        None,
    )
    digits: int = _option("The length of a one-time password, 6 or 8", _check_digits, 6)
    hashlib: HashName = option("The hash function of the HMAC", default=HashName.SHA1)


@frozen
class HotpEnrolment(OathEnrolment):
    """A HOTP token: a device or an app that counts."""


@frozen
class TotpEnrolment(OathEnrolment):
    """A TOTP token: a device or an app with a clock."""

    period: int = _option("Seconds that a one-time password lasts, 30 or 60", _check_period, 30)
    drift: int = option(
        "Steps by which its clock may be ahead or behind", default=1, minimum=0, maximum=10
    )


O = TypeVar("O", bound=OathEnrolment)  # noqa: E741  # O as in OATH


def hotp(state: State[O]) -> HOTP:
    """Return the generator of a token's one-time passwords."""
    chosen = state.parameters
    algorithm = _HASHES[chosen.hashlib]
    # Tokens out in the field have 80-bit seeds too: the length is checked at enrolment.
    return HOTP(state.seed, chosen.digits, algorithm, enforce_key_length=False)


def _totp(state: State[TotpEnrolment]) -> TOTP:
    chosen = state.parameters
    algorithm = _HASHES[chosen.hashlib]
    return TOTP(state.seed, chosen.digits, algorithm, chosen.period, enforce_key_length=False)


def find(state: State[O], otp: str, counters: range) -> int | None:
    """Return the first of the counters that `otp` belongs to; each takes the same time."""
    generator, value = hotp(state), otp.encode()
    for counter in counters:
        try:
            generator.verify(value, counter)
        except InvalidToken:
            continue
        return counter
    return None


def _find_pair(state: State[O], otp1: str, otp2: str, counters: range) -> int | None:
    """Return the counter of `otp1`, if `otp2` belongs to the next one."""
    while counters:
        found = find(state, otp1, counters)
        if found is None or find(state, otp2, range(found + 1, found + 2)) is not None:
            return found
        counters = range(found + 1, counters.stop)
    return None


class _Oath(TokenType[O]):
    def fresh_seed(self, parameters: O) -> bytes:
        """Return the given seed, or a fresh one as long as the hash, as RFC 6238 advises."""
        if parameters.otpkey is not None:
            return bytes.fromhex(parameters.otpkey)
        return secrets.token_bytes(_HASHES[parameters.hashlib].digest_size)

    def otp_length(self, state: State[O]) -> int:
        """Return the number of digits."""
        return state.parameters.digits

    def _detail(self, state: State[O], uri: str) -> dict[str, object]:
        return {
            "otpkey": {"description": "The seed", "value": state.seed.hex()},
            "googleurl": {"description": "The KEY URI for authenticator apps", "value": uri},
        }


class Hotp(_Oath[HotpEnrolment]):
    """Counts one-time passwords (RFC 4226)."""

    name = "hotp"
    prefix = "OATH"
    enrolment = HotpEnrolment

    def enrolled(self, state: State[HotpEnrolment], label: Label) -> dict[str, object]:
        """Return the seed, alone and as a KEY URI."""
        uri = hotp(state).get_provisioning_uri(label.account, state.counter, label.issuer)
        return self._detail(state, uri)

    def check(self, state: State[HotpEnrolment], otp: str, now: datetime) -> Progress | None:
        """Look ahead by the counter window (RFC 4226, section 7.4)."""
        window = range(state.counter, state.counter + state.count_window)
        found = find(state, otp, window)
        return None if found is None else Progress(found + 1)

    def resync(
        self, state: State[HotpEnrolment], otp1: str, otp2: str, now: datetime
    ) -> Progress | None:
        """Look far ahead, for two in a row."""
        ahead = range(state.counter, state.counter + RESYNC_COUNTERS)
        found = _find_pair(state, otp1, otp2, ahead)
        return None if found is None else Progress(found + 2)


class Totp(_Oath[TotpEnrolment]):
    """Makes a one-time password of the time (RFC 6238).

    The counter is the first time step that is still good: the same or an earlier one is a replay.
    """

    name = "totp"
    prefix = "TOTP"
    enrolment = TotpEnrolment

    def enrolled(self, state: State[TotpEnrolment], label: Label) -> dict[str, object]:
        """Return the seed, alone and as a KEY URI."""
        uri = _totp(state).get_provisioning_uri(label.account, label.issuer)
        return self._detail(state, uri)

    def check(self, state: State[TotpEnrolment], otp: str, now: datetime) -> Progress | None:
        """Allow for a clock that drifts (RFC 6238, section 5.2)."""
        centre, drift = self._step(state, now) + state.shift, state.parameters.drift
        found = find(state, otp, self._steps(state, centre, drift))
        return None if found is None else Progress(found + 1, state.shift)

    def resync(
        self, state: State[TotpEnrolment], otp1: str, otp2: str, now: datetime
    ) -> Progress | None:
        """Look for two in a row, a day ahead and behind, and remember how wrong the clock is."""
        step = self._step(state, now)
        around = self._steps(state, step, RESYNC_SECONDS // state.parameters.period)
        found = _find_pair(state, otp1, otp2, around)
        return None if found is None else Progress(found + 2, found + 1 - step)

    @staticmethod
    def _step(state: State[TotpEnrolment], now: datetime) -> int:
        return int(now.timestamp()) // state.parameters.period

    @staticmethod
    def _steps(state: State[TotpEnrolment], centre: int, distance: int) -> range:
        return range(max(state.counter, centre - distance, 0), centre + distance + 1)
