"""What a clause may say after the condition's name: `[hotp, totp]`, `true`, `">= 900"`.

Each operand parses its JSON value once, when a binding is saved, to a `Test`; a value that it does
not understand raises ValueError with the forms that it takes. A test that cannot be applied to a
fact's value ("many" >= 3) raises ValueError too: then the clause is unknown, not met or unmet.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

from attrs import frozen

__all__ = [
    "Choices",
    "Flag",
    "Number",
    "Operand",
    "Pattern",
    "Test",
    "Text",
    "Time",
    "operand_for",
    "parse_comparison",
]

_Schema = dict[str, Any]  # a JSON document is nested without limit
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}
_LONGEST_PATTERN: Final = 1000


@frozen
class Test:
    """A comparison ready to be applied: called with the fact's value and the event's time."""

    operator: str
    operand: Any  # of the type that the operator takes

    def __call__(self, value: Any, now: datetime) -> bool:
        """Return whether the value passes; raises ValueError if it cannot be compared."""
        return _OPERATORS[self.operator](value, self.operand, now)


class Operand(Protocol):
    """A kind of value that clauses of a condition have."""

    def parse(self, raw: object) -> Callable[[Any, datetime], bool]:
        """Return the test that a clause's value stands for; raises ValueError."""

    def schema(self) -> _Schema:
        """Return the JSON Schema of the values."""


@frozen
class Flag:
    """`true` or `false`; nothing else."""

    def parse(self, raw: object) -> Test:
        """Return the test for equality."""
        if not isinstance(raw, bool):
            raise ValueError(f"expected true or false, got {raw!r}")
        return Test("=", raw)

    def schema(self) -> _Schema:
        """Return the JSON Schema of the values."""
        return {"type": "boolean"}


@frozen
class Choices:
    """One text or a list of texts: the fact is one of them, or has one of them in it."""

    allowed: tuple[str, ...] = ()

    def parse(self, raw: object) -> Test:
        """Return the test for membership."""
        texts = raw if isinstance(raw, list) else [raw]
        if not texts or not all(isinstance(text, str) for text in texts):
            raise ValueError(f"expected a text or a list of texts, got {raw!r}")
        for text in texts:
            if self.allowed and text not in self.allowed:
                raise ValueError(f"expected one of {', '.join(self.allowed)}, got {text!r}")
        return Test("in", frozenset(texts))

    def schema(self) -> _Schema:
        """Return the JSON Schema of the values."""
        one: _Schema = {"enum": list(self.allowed)} if self.allowed else {"type": "string"}
        return {"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]}


@frozen
class Pattern:
    """A regular expression (RE2) that matches from the start of the value."""

    def parse(self, raw: object) -> Test:
        """Return the test for a match."""
        if not isinstance(raw, str):
            raise ValueError(f"expected a regular expression, got {raw!r}")
        return Test("matches", _pattern(raw))

    def schema(self) -> _Schema:
        """Return the JSON Schema of the values."""
        return {"type": "string", "format": "re2", "maxLength": _LONGEST_PATTERN}


@frozen
class Number:
    """A whole number, or a comparison with one: `">= 900"`, `"in 1, 2, 3"`."""

    def parse(self, raw: object) -> Test:
        """Return the test for the comparison."""
        if isinstance(raw, int) and not isinstance(raw, bool):
            return Test("=", raw)
        return parse_comparison(raw, "number")

    def schema(self) -> _Schema:
        """Return the JSON Schema of the values."""
        return {
            "anyOf": [{"type": "integer"}, {"type": "string", "pattern": r"^\s*(!?=|[<>]=?|in)"}]
        }


@frozen
class Text:
    """A text, or a comparison: `"!= x"`, `"in a, b"`, `"contains x"`, `"matches x.*"`."""

    def parse(self, raw: object) -> Test:
        """Return the test for the comparison; a text that is no comparison means equality."""
        if isinstance(raw, int) and not isinstance(raw, bool):
            raw = f"= {raw}"
        return parse_comparison(raw, "text")

    def schema(self) -> _Schema:
        """Return the JSON Schema of the values."""
        return {"type": ["string", "integer"]}


@frozen
class Time:
    """A comparison of times: `"older than 90d"`, `"within 7d"`, `"> {now}-5h"`."""

    def parse(self, raw: object) -> Test:
        """Return the test for the comparison."""
        return parse_comparison(raw, "time")

    def schema(self) -> _Schema:
        """Return the JSON Schema of the values."""
        return {"type": "string"}


def operand_for(kind: type) -> Operand | None:
    """Return the operand that compares facts of a type; None if they cannot be compared."""
    operands: dict[type, Operand] = {
        bool: Flag(), int: Number(), str: Text(), datetime: Time(), frozenset: Choices(),
        dict: Text(),
    }  # fmt: skip
    return operands.get(kind)


# The one grammar of comparisons. A form is an operator, what follows it, and where it is allowed.

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
_COMPARISON = re.compile(
    r"\s*(?P<operator>[!<>=]+|(?:in|contains|matches|before|after|within|older\s+than)(?=\s))"
    r"\s*(?P<operand>.*?)\s*",
    re.DOTALL,
)


def parse_comparison(raw: object, kind: str) -> Test:
    """Return the test that a text stands for; `kind` is number, text or time.

    Raises:
        ValueError: with what was found where, and the forms that are allowed.
    """
    if not isinstance(raw, str):
        raise ValueError(f"expected {_FORMS[kind]}; got {raw!r}")
    match = _COMPARISON.fullmatch(raw)
    if match is None:
        if kind == "text":
            return Test("=", raw)
        raise ValueError(f"expected {_FORMS[kind]}; got {raw!r}")
    operator, operand = " ".join(match["operator"].split()), match["operand"]
    try:
        return _test(operator, operand, kind)
    except ValueError as error:
        raise ValueError(
            f"at character {match.start('operand') + 1} of {raw!r}: {error}; "
            f"expected {_FORMS[kind]}"
        ) from None


def _test(operator: str, operand: str, kind: str) -> Test:
    if not operand:
        raise ValueError(f"nothing follows {operator!r}")
    if operator in ("within", "older than") and kind != "number":
        return Test(operator, _duration(operand))
    if operator in ("before", "after") and kind != "number":
        return Test("<" if operator == "before" else ">", _moment(operand))
    if operator in ("<", "<=", ">", ">="):
        is_time = kind == "time" or (kind == "text" and not re.fullmatch(r"[+-]?\d+", operand))
        return Test(operator, _moment(operand) if is_time else _whole(operand))
    if operator in ("=", "!=") and kind != "time":
        return Test(operator, _whole(operand) if kind == "number" else operand)
    if operator == "in" and kind != "time":
        items = [item.strip() for item in operand.split(",")]
        return Test("in", frozenset(map(_whole, items) if kind == "number" else items))
    if operator == "contains" and kind == "text":
        return Test(operator, operand)
    if operator == "matches" and kind == "text":
        return Test(operator, _pattern(operand))
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


def _pattern(text: str) -> Any:  # a compiled pattern of re2, which has no types
    import re2

    if len(text) > _LONGEST_PATTERN:
        raise ValueError(f"the regular expression is longer than {_LONGEST_PATTERN} characters")
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
