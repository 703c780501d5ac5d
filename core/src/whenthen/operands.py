"""What a clause may say after the condition's name: `[hotp, totp]`, `true`, `">= 900"`.

Each operand parses its JSON value once, when a binding is saved, to a test; a value that it does
not understand raises ValueError with the forms that it takes.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

from attrs import frozen

from whenthen.comparison import LONGEST_PATTERN, Comparison, compile_pattern, parse_comparison

__all__ = [
    "Choices",
    "Flag",
    "Number",
    "Operand",
    "Pattern",
    "Text",
    "Time",
    "operand_for",
]

_Schema = dict[str, Any]  # a JSON document is nested without limit


class Operand(Protocol):
    """A kind of value that clauses of a condition have."""

    def parse(self, raw: object) -> Callable[[Any, datetime], bool]:
        """Return the test that a clause's value stands for; raises ValueError."""

    def schema(self) -> _Schema:
        """Return the JSON Schema of the values."""


@frozen
class Flag:
    """`true` or `false`; nothing else."""

    def parse(self, raw: object) -> Comparison:
        """Return the test for equality."""
        if not isinstance(raw, bool):
            raise ValueError(f"expected true or false, got {raw!r}")
        return Comparison("=", raw)

    def schema(self) -> _Schema:
        """Return the JSON Schema of the values."""
        return {"type": "boolean"}


@frozen
class Choices:
    """One text or a list of texts: the fact is one of them, or has one of them in it."""

    allowed: tuple[str, ...] = ()

    def parse(self, raw: object) -> Comparison:
        """Return the test for membership."""
        texts = raw if isinstance(raw, list) else [raw]
        if not texts or not all(isinstance(text, str) for text in texts):
            raise ValueError(f"expected a text or a list of texts, got {raw!r}")
        for text in texts:
            if self.allowed and text not in self.allowed:
                raise ValueError(f"expected one of {', '.join(self.allowed)}, got {text!r}")
        return Comparison("in", frozenset(texts))

    def schema(self) -> _Schema:
        """Return the JSON Schema of the values."""
        one: _Schema = {"enum": list(self.allowed)} if self.allowed else {"type": "string"}
        return {"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]}


@frozen
class Pattern:
    """A regular expression (RE2) that matches from the start of the value."""

    def parse(self, raw: object) -> Comparison:
        """Return the test for a match."""
        if not isinstance(raw, str):
            raise ValueError(f"expected a regular expression, got {raw!r}")
        return Comparison("matches", compile_pattern(raw))

    def schema(self) -> _Schema:
        """Return the JSON Schema of the values."""
        return {"type": "string", "format": "re2", "maxLength": LONGEST_PATTERN}


@frozen
class Number:
    """A whole number, or a comparison with one: `">= 900"`, `"in 1, 2, 3"`."""

    def parse(self, raw: object) -> Comparison:
        """Return the test for the comparison."""
        if isinstance(raw, int) and not isinstance(raw, bool):
            return Comparison("=", raw)
        return parse_comparison(raw, "number")

    def schema(self) -> _Schema:
        """Return the JSON Schema of the values."""
        return {
            "anyOf": [{"type": "integer"}, {"type": "string", "pattern": r"^\s*(!?=|[<>]=?|in)"}]
        }


@frozen
class Text:
    """A text, or a comparison: `"!= x"`, `"in a, b"`, `"contains x"`, `"matches x.*"`."""

    def parse(self, raw: object) -> Comparison:
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

    def parse(self, raw: object) -> Comparison:
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
