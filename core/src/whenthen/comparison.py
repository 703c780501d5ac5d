"""Comparisons, and the one grammar that they are written in: `>= 900`, `older than 90d`.

A text is parsed once. A comparison that cannot be applied to a value ("many" >= 3) raises
ValueError: then the clause is unknown, not met or unmet.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from attrs import frozen

__all__ = ["LONGEST_PATTERN", "Comparison", "compile_pattern", "parse_comparison"]

LONGEST_PATTERN: Final = 1000
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}


@frozen
class Comparison:
    """A comparison ready to be applied: called with the fact's value and the event's time."""

    operator: str
    operand: Any  # of the type that the operator takes

    def __call__(self, value: Any, now: datetime) -> bool:
        """Return whether the value passes; raises ValueError if it cannot be compared."""
        return _OPERATORS[self.operator](value, self.operand, now)


# What may follow a condition's name, for each kind of comparison.
_FORMS: Final = {
    "number": "a whole number, = != < <= > >= with a whole number, or in with a list: in 1, 2",
    "text": (
        "= != in contains matches with a text, < <= > >= with a whole number, or a form of time"
    ),
    "time": (
        "before or after (or < <= > >=) with a time such as 2026-01-31T12:00+00:00 or {now}-5h, "
        "within 7d, older than 90d; the units are s m h d w y"
    ),
}
_WRITTEN = re.compile(
    r"\s*(?P<operator>[!<>=]+|(?:in|contains|matches|before|after|within|older\s+than)(?=\s))"
    r"\s*(?P<operand>.*?)\s*",
    re.DOTALL,
)


def parse_comparison(raw: object, kind: str) -> Comparison:
    """Return the test that a text stands for; `kind` is number, text or time.

    Raises:
        ValueError: with what was found where, and the forms that are allowed.
    """
    if not isinstance(raw, str):
        raise ValueError(f"expected {_FORMS[kind]}; got {raw!r}")
    match = _WRITTEN.fullmatch(raw)
    if match is None:
        if kind == "text":
            return Comparison("=", raw)
        raise ValueError(f"expected {_FORMS[kind]}; got {raw!r}")
    operator, operand = " ".join(match["operator"].split()), match["operand"]
    try:
        return _test(operator, operand, kind)
    except ValueError as error:
        raise ValueError(
            f"at character {match.start('operand') + 1} of {raw!r}: {error}; "
            f"expected {_FORMS[kind]}"
        ) from None


def _test(operator: str, operand: str, kind: str) -> Comparison:
    if not operand:
        raise ValueError(f"nothing follows {operator!r}")
    if operator in ("within", "older than") and kind != "number":
        return Comparison(operator, _duration(operand))
    if operator in ("before", "after") and kind != "number":
        return Comparison("<" if operator == "before" else ">", _moment(operand))
    if operator in ("<", "<=", ">", ">="):
        is_time = kind == "time" or (kind == "text" and not re.fullmatch(r"[+-]?\d+", operand))
        return Comparison(operator, _moment(operand) if is_time else _whole(operand))
    if operator in ("=", "!=") and kind != "time":
        return Comparison(operator, _whole(operand) if kind == "number" else operand)
    if operator == "in" and kind != "time":
        items = [item.strip() for item in operand.split(",")]
        return Comparison("in", frozenset(map(_whole, items) if kind == "number" else items))
    if operator == "contains" and kind == "text":
        return Comparison(operator, operand)
    if operator == "matches" and kind == "text":
        return Comparison(operator, compile_pattern(operand))
    raise ValueError(f"{operator!r} is not an operator here")


def _whole(text: str) -> int:
    if not re.fullmatch(r"[+-]?\d{1,18}", text):
        raise ValueError(f"{text!r} is not a whole number")
    return int(text)


def _duration(text: str) -> timedelta:
    match = re.fullmatch(r"(\d{1,9})\s*([smhdwy])", text)
    if match is None:
        raise ValueError(f"{text!r} is not a duration")
    try:
        return timedelta(seconds=int(match[1]) * _UNITS[match[2]])
    except OverflowError:
        raise ValueError(f"{text!r} is too long a duration") from None


def _moment(text: str) -> datetime | timedelta:
    """Return a fixed time, or the distance from now that `{now}+10d` stands for."""
    match = re.fullmatch(r"\{now\}\s*(?:([+-])\s*(.+))?", text)
    if match is not None:
        distance = _duration(match[2]) if match[1] else timedelta()
        return -distance if match[1] == "-" else distance
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a time") from None
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return moment


def compile_pattern(text: str) -> Any:  # a compiled pattern of re2, which has no types
    """Return a regular expression of RE2; raises ValueError, which says what RE2 lacks."""
    import re2

    if len(text) > LONGEST_PATTERN:
        raise ValueError(f"the regular expression is longer than {LONGEST_PATTERN} characters")
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(text, options)
    except re2.error as error:
        reason = error.args[0].decode() if isinstance(error.args[0], bytes) else error.args[0]
        raise ValueError(
            f"{text!r} is not a regular expression of RE2, which has no look-around and no "
            f"back-references: {reason}"
        ) from None


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any, datetime], bool]:
    def test(value: object, operand: Any, now: datetime) -> bool:
        if isinstance(operand, int):
            return compare(value if isinstance(value, int) else _whole(str(value).strip()), operand)
        moment = now + operand if isinstance(operand, timedelta) else operand
        return compare(_as_time(value), moment)

    return test


def _as_time(value: object) -> datetime:
    time = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _one_of(value: object, operand: frozenset[object], _: datetime) -> bool:
    if isinstance(value, Collection) and not isinstance(value, str):
        return not operand.isdisjoint(value)
    return value in operand


def _contains(value: str | Sequence[str], operand: str, _: datetime) -> bool:
    return operand in value


_OPERATORS: Final[dict[str, Callable[[Any, Any, datetime], bool]]] = {
    "=": lambda value, operand, _: bool(value == operand),
    "!=": lambda value, operand, _: bool(value != operand),
    "<": _ordered(lambda value, operand: value < operand),
    "<=": _ordered(lambda value, operand: value <= operand),
    ">": _ordered(lambda value, operand: value > operand),
    ">=": _ordered(lambda value, operand: value >= operand),
    "in": _one_of,
    "contains": _contains,
    "matches": lambda value, operand, _: operand.match(value) is not None,
    "within": lambda value, operand, now: abs(_as_time(value) - now) <= operand,
    "older than": lambda value, operand, now: _as_time(value) < now - operand,
}
