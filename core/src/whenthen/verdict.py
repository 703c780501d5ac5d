"""Clauses and their verdicts: MET, UNMET or UNKNOWN, combined by Kleene's logic.

`all` is unmet as soon as one clause is, `any` is met as soon as one is; short of that, one unknown
clause makes the whole unknown. `not` leaves unknown unknown. Evaluation takes the cheapest clauses
first and stops when the verdict is decided.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Any

import attrs
from attrs import field, frozen

from whenthen.errors import Missing
from whenthen.facts import Facts
from whenthen.record import Finding, Verdict

__all__ = ["Clause", "Group", "Junction", "Node", "UnknownClauseError", "WhenUnknown", "evaluate"]

_OPPOSITE = {
    Verdict.MET: Verdict.UNMET,
    Verdict.UNMET: Verdict.MET,
    Verdict.UNKNOWN: Verdict.UNKNOWN,
}


class WhenUnknown(StrEnum):
    """What a clause says instead of unknown."""

    MET = "met"
    UNMET = "unmet"
    ERROR = "error"


class Junction(StrEnum):
    """How a group combines its children."""

    ALL = "all"
    ANY = "any"
    NOT = "not"


@frozen
class Clause:
    """A condition as configured in a binding; `text` is how it was written."""

    text: str
    fact: str
    test: Callable[[Any, datetime], bool]  # of the fact's type
    cost: int = 1
    when_unknown: WhenUnknown | None = None


@frozen
class Group:
    """Clauses under `all`, `any` or `not`."""

    junction: Junction
    children: tuple[Clause | Group, ...]
    when_unknown: WhenUnknown | None = None
    cost: int = field(init=False)
    _cheapest_first: tuple[int, ...] = field(init=False, repr=False)

    @cost.default
    def _dearest(self) -> int:
        return max((child.cost for child in self.children), default=0)

    @_cheapest_first.default
    def _by_cost(self) -> tuple[int, ...]:
        return tuple(sorted(range(len(self.children)), key=lambda i: self.children[i].cost))

    def evaluate(self, facts: Facts) -> tuple[Verdict, tuple[Finding, ...]]:
        """Return the verdict, and a finding for each child in the order they were written."""
        decided = Verdict.MET if self.junction is Junction.ANY else Verdict.UNMET
        verdict = _OPPOSITE[decided]
        findings: list[Finding | None] = [None] * len(self.children)
        for index in self._cheapest_first:
            found = evaluate(self.children[index], facts)
            findings[index] = found
            if self.junction is Junction.NOT:
                assert found.verdict is not None
                verdict = _OPPOSITE[found.verdict]
            elif found.verdict is decided:
                verdict = decided
                break
            elif found.verdict is Verdict.UNKNOWN:
                verdict = Verdict.UNKNOWN
        listed = zip(self.children, findings, strict=True)
        return verdict, tuple(found or Finding(_text(child), None) for child, found in listed)


Node = Clause | Group


class UnknownClauseError(Exception):
    """A clause is unknown and says `when_unknown: error`."""


def evaluate(node: Node, facts: Facts) -> Finding:
    """Return the verdict of a clause or group, and how it came about.

    Raises:
        UnknownClauseError: a clause is unknown and says that this is an error.
    """
    if isinstance(node, Clause):
        found = _clause(node, facts)
    else:
        verdict, children = node.evaluate(facts)
        found = Finding(node.junction, verdict, children=children)
    if found.verdict is not Verdict.UNKNOWN or node.when_unknown is None:
        return found
    if node.when_unknown is WhenUnknown.ERROR:
        raise UnknownClauseError(f"The clause {_text(node)!r} is unknown. {found.reason}")
    return attrs.evolve(found, verdict=Verdict(node.when_unknown))


def _clause(clause: Clause, facts: Facts) -> Finding:
    found = facts.resolve(clause.fact)
    if isinstance(found, Missing):
        return Finding(clause.text, Verdict.UNKNOWN, clause.fact, reason=found.sentence)
    shown = ""
    try:
        shown = facts.shown(clause.fact, found.value)
        met = clause.test(found.value, facts.event.time)
    except (Exception, SystemExit) as error:  # noqa: BLE001  # ValueError by contract, else a plugin's bug
        reason = f"The value cannot be compared ({type(error).__name__})."
        return Finding(clause.text, Verdict.UNKNOWN, clause.fact, shown, found.source, reason)
    verdict = Verdict.MET if met else Verdict.UNMET
    return Finding(clause.text, verdict, clause.fact, shown, found.source)


def _text(node: Node) -> str:
    return node.text if isinstance(node, Clause) else str(node.junction)
