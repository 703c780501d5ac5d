"""HOTP and TOTP against the vectors of their RFCs, and against oathtool."""

from __future__ import annotations

import secrets
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from whenthen import Refused, parse
from whenthen_otpserver.tokens import State
from whenthen_otpserver.tokens.oath import Hotp, HotpEnrolment, Totp, TotpEnrolment

RFC_4226 = [
    "755224", "287082", "359152", "969429", "338314",
    "254676", "287922", "162583", "399871", "520489",
]  # fmt: skip
SEED = b"12345678901234567890"
SEEDS = {
    "sha1": SEED,
    "sha256": b"12345678901234567890123456789012",
    "sha512": b"1234567890123456789012345678901234567890123456789012345678901234",
}
RFC_6238 = [
    (59, "94287082", "46119246", "90693936"),
    (1111111109, "07081804", "68084774", "25091201"),
    (1111111111, "14050471", "67062674", "99943326"),
    (1234567890, "89005924", "91819424", "93441116"),
    (2000000000, "69279037", "90698825", "38618901"),
    (20000000000, "65353130", "77737706", "47863826"),
]
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def hotp(counter: int = 0, window: int = 10) -> State[HotpEnrolment]:
    return State(SEED, HotpEnrolment(), counter, window)


def totp(**parameters: Any) -> State[TotpEnrolment]:
    enrolment = parse(TotpEnrolment, {"digits": 8, **parameters})
    return State(SEEDS[enrolment.hashlib], enrolment)


@pytest.mark.parametrize(("counter", "otp"), list(enumerate(RFC_4226)))
def test_rfc_4226_appendix_d(counter: int, otp: str) -> None:
    progress = Hotp().check(hotp(counter, window=1), otp, NOW)
    assert progress is not None
    assert progress.counter == counter + 1


@pytest.mark.parametrize(("seconds", "sha1", "sha256", "sha512"), RFC_6238)
def test_rfc_6238_appendix_b(seconds: int, sha1: str, sha256: str, sha512: str) -> None:
    now = datetime.fromtimestamp(seconds, UTC)
    for name, otp in {"sha1": sha1, "sha256": sha256, "sha512": sha512}.items():
        progress = Totp().check(totp(hashlib=name, drift=0), otp, now)
        assert progress is not None, name
        assert progress.counter == seconds // 30 + 1


def test_hotp_looks_ahead_as_far_as_its_window() -> None:
    assert Hotp().check(hotp(window=10), RFC_4226[9], NOW) is not None
    assert Hotp().check(hotp(window=9), RFC_4226[9], NOW) is None
    assert Hotp().check(hotp(counter=5), RFC_4226[4], NOW) is None


@pytest.mark.parametrize("otp", ["", "75522", "7552240", "75522٤", "abcdef", "-55224"])
def test_what_is_no_otp_is_wrong(otp: str) -> None:
    assert Hotp().check(hotp(), otp, NOW) is None


def test_totp_allows_for_drift_and_refuses_replay() -> None:
    state, otp = totp(), "94287082"  # of the step from 30 to 59
    for seconds, right in {29: True, 59: True, 89: True, 90: False}.items():
        found = Totp().check(state, otp, datetime.fromtimestamp(seconds, UTC))
        assert (found is not None) is right, seconds
    used = State(state.seed, state.parameters, counter=2)
    assert Totp().check(used, otp, datetime.fromtimestamp(59, UTC)) is None


def test_totp_is_found_again_when_its_clock_is_wrong() -> None:
    state = totp()
    first, second = RFC_6238[1][1], RFC_6238[2][1]  # two steps in a row
    hours_later = datetime.fromtimestamp(1111111111, UTC) + timedelta(hours=5)
    progress = Totp().resync(state, first, second, hours_later)
    assert progress is not None
    assert progress.shift == -5 * 120
    shifted = State(state.seed, state.parameters, shift=progress.shift)
    assert Totp().check(shifted, second, hours_later) is not None
    assert Totp().check(state, second, hours_later) is None


def test_hotp_is_found_again_by_two_in_a_row() -> None:
    assert Hotp().resync(hotp(), RFC_4226[7], RFC_4226[9], NOW) is None
    progress = Hotp().resync(hotp(), RFC_4226[7], RFC_4226[8], NOW)
    assert progress is not None
    assert progress.counter == 9


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"digits": 7}, "6 or 8"),
        ({"period": 45}, "30 or 60"),
        ({"hashlib": "md5"}, "sha512"),
        ({"otpkey": "00" * 15}, "16 to 128 bytes"),
        ({"otpkey": "not a key at all"}, "hexadecimal"),
        ({"digits": "6"}, "a whole number"),
        ({"colour": "red"}, "is not known here"),
    ],
)
def test_wrong_enrolments_are_refused(parameters: dict[str, object], said: str) -> None:
    with pytest.raises(Refused) as refused:
        parse(TotpEnrolment, parameters)
    assert said in str(refused.value)
    assert "not a key at all" not in str(refused.value)


def test_a_fresh_seed_is_as_long_as_the_hash() -> None:
    for name, seed in SEEDS.items():
        assert len(Hotp().fresh_seed(parse(HotpEnrolment, {"hashlib": name}))) == len(seed)
    given = parse(HotpEnrolment, {"otpkey": SEED.hex()})
    assert Hotp().fresh_seed(given) == SEED


@pytest.mark.parametrize("hashlib", ["sha1", "sha256", "sha512"])
@pytest.mark.parametrize("digits", [6, 8])
def test_oathtool_agrees(hashlib: str, digits: int) -> None:
    tool = shutil.which("oathtool")
    if tool is None:
        pytest.skip("oathtool is not installed")
    seed = secrets.token_bytes(32)

    def otps(*arguments: str) -> list[str]:
        command = [tool, f"--digits={digits}", *arguments, seed.hex()]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()

    for period in (30, 60):
        chosen = {"digits": digits, "hashlib": hashlib, "period": period, "drift": 0}
        state = State(seed, parse(TotpEnrolment, chosen))
        now = datetime.now(UTC)
        at = f"--now=@{int(now.timestamp())}"
        (otp,) = otps(f"--totp={hashlib}", f"--time-step-size={period}s", at)
        assert Totp().check(state, otp, now) is not None
    if hashlib == "sha1":
        counting = State(seed, parse(HotpEnrolment, {"digits": digits}), count_window=1)
        for counter, otp in enumerate(otps("--hotp", "--window=4")):
            one = State(counting.seed, counting.parameters, counter, 1)
            assert Hotp().check(one, otp, now) is not None
