"""What an action answers, and what came of a binding."""

from __future__ import annotations

from enum import StrEnum

from attrs import field, frozen

__all__ = ["REMOVED", "Change", "Outcome", "OutcomeKind"]


class OutcomeKind(StrEnum):
    """What came of one binding at one event."""

    DONE = "done"
    """The action ran."""
    FAILED = "failed"
    """The action raised, or said that it failed."""
    NOT_MET = "not_met"
    """The conditions do not hold."""
    UNKNOWN = "unknown"
    """Whether the conditions hold, or what to act on, could not be determined."""
    DEFERRED = "deferred"
    """The action stands in the outbox and runs after the host's commit."""
    ABORTED = "aborted"
    """The action failed, and the binding says that the host's call must not go on."""
    SKIPPED = "skipped"
    """The binding was passed over: bypassed, or no time was left in the call."""
    UNAVAILABLE = "unavailable"
    """The handler module, action or resource is not there."""


class _Removed:
    """The value of a change that removes."""

    def __repr__(self) -> str:
        return "REMOVED"


REMOVED = _Removed()
"""As the value of a `Change`: take the parameter or member away."""


@frozen
class Change:
    """One change that a `modify` action asks for.

    `request` changes the request's parameter named `name`; otherwise `name` is the path of a
    member of the response, its parts separated by "/": `detail/pin`.
    """

    name: str
    value: object
    request: bool = False


def _storable(detail: str) -> str:
    """Return a sentence as every database takes it."""
    if not isinstance(detail, str):
        raise TypeError(f"an outcome's detail must be a text, not {type(detail).__name__}")
    return storable(detail)


def storable(text: str) -> str:
    """Return a text without what some database refuses: NUL, and halves of characters."""
    return (
        text.encode("utf-8", "replace").decode("utf-8").replace("\0", "\N{REPLACEMENT CHARACTER}")
    )


def _within_a_week(seconds: float | None) -> float | None:
    return None if seconds is None else min(max(float(seconds), 0.0), 604800.0)


@frozen
class Outcome:
    """What an action answers. Use `done`, `failed` or `unknown`.

    `detail` is one sentence of the action's own; it is recorded, so it holds no secret.
    """

    kind: OutcomeKind
    detail: str = field(default="", converter=_storable)
    changes: tuple[Change, ...] = ()
    permanent: bool = False
    retry_after: float | None = field(default=None, converter=_within_a_week)

    @classmethod
    def done(cls, detail: str = "", *changes: Change) -> Outcome:
        """Say that the action did its work; `changes` count for effect `modify` only."""
        return cls(OutcomeKind.DONE, detail, changes)

    @classmethod
    def failed(
        cls, detail: str, *, permanent: bool = False, retry_after: float | None = None
    ) -> Outcome:
        """Say that the action failed, and why.

        A delivery is tried again, not before `retry_after` seconds if given, unless the failure
        is `permanent`: then it goes to the dead letters at once.
        """
        return cls(OutcomeKind.FAILED, detail, (), permanent, retry_after)

    @classmethod
    def unknown(cls, detail: str) -> Outcome:
        """Say that there is nothing to act on: no token, no recipient. It is not tried again."""
        return cls(OutcomeKind.UNKNOWN, detail)
