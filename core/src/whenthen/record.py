"""The trace of one binding at one event."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from attrs import frozen

from whenthen.event import Position
from whenthen.outcome import OutcomeKind

__all__ = ["Finding", "Record", "Verdict"]


class Verdict(StrEnum):
    """What a clause says of an event."""

    MET = "met"
    UNMET = "unmet"
    UNKNOWN = "unknown"
    """The fact is not there, or cannot be determined."""


@frozen
class Finding:
    """The verdict of one clause and how it came about.

    `clause` reads as configured; `value` is the fact's value as text, masked if it is secret;
    `source` says where the value came from, `reason` why the verdict is unknown. `verdict` is None
    for a clause that nothing depended on any more.
    """

    clause: str
    verdict: Verdict | None
    fact: str = ""
    value: str = ""
    source: str = ""
    reason: str = ""
    children: tuple[Finding, ...] = ()


@frozen
class Record:
    """What became of one binding at one event, and why; written also when it did not fire.

    `detail` is a sentence of the action or of whenthen; `error` the class of what was raised, never
    its message. `duration` is in seconds. `delivery` is the delivery's id if the action was
    deferred. `empty_tags` are the tags of templates that had no value.
    """

    event: str
    event_type: str
    position: Position
    binding: str
    handler: str
    action: str
    outcome: OutcomeKind
    time: datetime
    duration: float = 0.0
    detail: str = ""
    error: str = ""
    delivery: str = ""
    findings: tuple[Finding, ...] = ()
    empty_tags: tuple[str, ...] = ()
