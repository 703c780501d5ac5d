"""The grammar of comparisons, in tables: what is met, what is not, what is refused and where."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from whenthen import Choices, Flag, Number, Operand, Pattern, Text, Time

NOW = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)


def ago(**distance: float) -> datetime:
    return NOW - timedelta(**distance)


@pytest.mark.parametrize(
    ("operand", "raw", "met", "unmet"),
    [
        (Flag(), True, [True], [False]),
        (Flag(), False, [False], [True]),
        (Number(), 3, [3], [2, 4, -3]),
        (Number(), "= 3", [3], [4]),
        (Number(), "=3", [3], [4]),
        (Number(), "!= 3", [2], [3]),
        (Number(), "> 3", [4], [3]),
        (Number(), ">= 3", [3, 4], [2]),
        (Number(), "  >=   3  ", [3], [2]),
        (Number(), "< -3", [-4], [-3]),
        (Number(), "<= 3", [3], [4]),
        (Number(), "in 1, 2,3", [1, 2, 3], [4]),
        (Choices(), "hotp", ["hotp", frozenset({"hotp", "x"})], ["totp", frozenset()]),
        (Choices(), ["a", "b"], ["a", "b", frozenset({"b"})], ["c", "ab", frozenset({"c"})]),
        (Choices(("admin", "user")), "admin", ["admin"], ["user"]),
        (Pattern(), "OTP", ["OTP", "OTP123"], ["xOTP", "", "otp"]),
        (Pattern(), "OTP$", ["OTP"], ["OTP1"]),
        (Pattern(), ".*7", ["17"], ["18"]),
        (Pattern(), "a|b", ["a", "b"], ["ca"]),
        (Text(), "sales", ["sales"], ["Sales", "sales2"]),
        (Text(), 5, ["5"], ["6"]),
        (Text(), "= sales", ["sales"], ["x"]),
        (Text(), "!= sales", ["x"], ["sales"]),
        (Text(), "in a, b c", ["a", "b c"], ["b", "c"]),
        (Text(), "in", ["in"], ["a"]),  # no comparison without a blank after the word
        (Text(), "inside", ["inside"], ["side"]),
        (Text(), "contains an", ["banana"], ["bnn"]),
        (Text(), "matches b.*a", ["banana"], ["xbanana"]),
        (Text(), ">= 10", ["10", "11", " 12 "], ["9", "-20"]),
        (Text(), "> 2026-01-01T00:00+00:00", ["2026-02-01T00:00+00:00"], ["2025-02-01T00:00Z"]),
        (Text(), "older than 90d", ["2026-01-01T00:00+00:00"], ["2026-06-01T00:00+00:00"]),
        (Time(), "before 2026-01-01T00:00+00:00", [datetime(2025, 12, 31, tzinfo=UTC)], [NOW]),
        (Time(), "after 2026-01-01T00:00+00:00", [NOW], [datetime(2025, 12, 31, tzinfo=UTC)]),
        (Time(), "after 2026-06-15T14:00+02:00", [NOW + timedelta(seconds=1)], [NOW]),
        (Time(), ">= 2026-06-15T14:00+02:00", [NOW], [ago(seconds=1)]),
        (Time(), "within 7d", [ago(days=7), NOW, NOW + timedelta(days=7)],
         [ago(days=8), NOW + timedelta(days=8)]),
        (Time(), "older than 90d", [ago(days=91)], [ago(days=90), NOW]),
        (Time(), "older  than 1h", [ago(hours=2)], [ago(minutes=59)]),
        (Time(), "> {now}-5h", [ago(hours=4)], [ago(hours=5), ago(hours=6)]),
        (Time(), "> {now} - 5h", [ago(hours=4)], [ago(hours=6)]),
        (Time(), "< {now}+10d", [NOW], [NOW + timedelta(days=10)]),
        (Time(), "< {now}", [ago(seconds=1)], [NOW]),
        (Time(), "within 30s", [ago(seconds=30)], [ago(seconds=31)]),
        (Time(), "within 2w", [ago(days=14)], [ago(days=15)]),
        (Time(), "within 5m", [ago(minutes=5)], [ago(minutes=6)]),
        (Time(), "older than 1y", [ago(days=366)], [ago(days=365)]),
    ],
)  # fmt: skip
def test_met_and_unmet(
    operand: Operand, raw: object, met: list[object], unmet: list[object]
) -> None:
    test = operand.parse(raw)
    for value in met:
        assert test(value, NOW) is True, value
    for value in unmet:
        assert test(value, NOW) is False, value


@pytest.mark.parametrize(
    ("operand", "raw"),
    [
        (Flag(), "true"), (Flag(), 1), (Flag(), None), (Flag(), [True]),
        (Number(), "3"), (Number(), "many"), (Number(), ">= three"), (Number(), ">="),
        (Number(), "=> 3"), (Number(), "== 3"), (Number(), "3 >="), (Number(), True),
        (Number(), 3.5), (Number(), ">= 3.5"), (Number(), "in 1, x"), (Number(), "in 1,"),
        (Number(), None), (Number(), [3]), (Number(), "contains 3"), (Number(), "within 7d"),
        (Number(), ">= 3 4"), (Number(), "= " + "9" * 19),
        (Choices(), []), (Choices(), [1]), (Choices(), None), (Choices(), True),
        (Choices(), ["a", None]), (Choices(), {"a": 1}),
        (Choices(("admin", "user")), "root"), (Choices(("admin", "user")), ["admin", "root"]),
        (Pattern(), 1), (Pattern(), ["a"]), (Pattern(), "("), (Pattern(), "a" * 1001),
        (Pattern(), "(?=a)"), (Pattern(), "(?!a)"), (Pattern(), "(?<=a)b"), (Pattern(), r"(a)\1"),
        (Text(), None), (Text(), True), (Text(), ["a"]), (Text(), "matches ("), (Text(), ">= "),
        (Text(), "> tomorrow"), (Text(), "matches (?=a)"), (Text(), "within a while"),
        (Time(), "2026-01-01"), (Time(), "before yesterday"), (Time(), "before 2026-01-01"),
        (Time(), "before 2026-01-01T00:00"), (Time(), "within 7"), (Time(), "within 7x"),
        (Time(), "within -7d"), (Time(), "within d"), (Time(), "older 7d"), (Time(), "= {now}"),
        (Time(), "> {now}+"), (Time(), "> {now}+7"), (Time(), "> {now}*7d"), (Time(), "> {then}"),
        (Time(), "contains 2026"), (Time(), 7), (Time(), None), (Time(), "in 2026"),
        (Time(), "within 999999999y"), (Time(), "> {now}+999999999y"),
    ],
)  # fmt: skip
def test_refused(operand: Operand, raw: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        operand.parse(raw)


@pytest.mark.parametrize(
    ("operand", "raw", "said"),
    [
        (Number(), ">= three", "at character 4 of '>= three'"),
        (Number(), "   >=   x", "at character 9 of"),
        (Time(), "before 2026-01-01T00:00", "has no time zone"),
        (Time(), "within 7x", "is not a duration"),
        (Number(), "contains 3", "'contains' is not an operator here"),
        (Number(), ">=", "nothing follows '>='"),
        (Pattern(), "(?=a)", "no look-around"),
        (Text(), r"matches (a)\1", "no back-references"),
        (Choices(("admin", "user")), "root", "expected one of admin, user, got 'root'"),
    ],
)
def test_the_refusal_says_what_and_where(operand: Operand, raw: object, said: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        operand.parse(raw)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("raw", "value"), [(">= 3", "many"), ("older than 7d", "soon"), ("> {now}", "")]
)
def test_a_value_that_cannot_be_compared_is_an_error_and_no_verdict(raw: str, value: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Text().parse(raw)(value, NOW)


def test_a_regular_expression_takes_linear_time() -> None:
    # A backtracking engine would be busy with this for longer than the universe is old.
    assert Pattern().parse("(a*)*b")("a" * 5000, NOW) is False


@pytest.mark.parametrize("operand", [Flag(), Choices(), Choices(("a",)), Pattern(), Number(),
                                     Text(), Time()])  # fmt: skip
def test_every_operand_describes_its_values(operand: Operand) -> None:
    assert {"type", "anyOf"} & set(operand.schema())
