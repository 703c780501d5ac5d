"""Running an action: whatever it does, the answer is an outcome."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import attrs

from whenthen.declare import Action, Effect
from whenthen.errors import Missing, Unavailable, WhenthenError
from whenthen.event import plain
from whenthen.limits import EscapedError, OverrunError, within
from whenthen.outcome import Outcome, OutcomeKind
from whenthen.run import Run

__all__ = ["acting", "chaining_off", "guarded", "perform", "prepared"]

_ANSWERS = (OutcomeKind.DONE, OutcomeKind.FAILED, OutcomeKind.UNKNOWN)

acting = contextvars.ContextVar("whenthen_acting", default=False)
"""True while an action runs: the host's calls that it makes are no events (chaining is off)."""


@contextmanager
def chaining_off() -> Iterator[None]:
    """Let what happens inside cause no events."""
    token = acting.set(True)
    try:
        yield
    finally:
        acting.reset(token)


def perform(action: Action, run: Run[object], limit: float) -> Outcome:
    """Return what the action answers; raises what it raises, and OverrunError.

    An action in the host's transaction runs in the host's thread, since hosts keep transactions by
    thread; its deadline is advice. Any other runs under guard, and is left behind when it hangs.
    """

    def call() -> Outcome:
        ready = run
        if run.delivery is None:
            ready = attrs.evolve(run, prepared=prepared(action, run))
        outcome: object = action.run(ready)
        if not isinstance(outcome, Outcome) or outcome.kind not in _ANSWERS:
            raise TypeError("the action did not return Outcome.done(), failed() or unknown()")
        return outcome

    return call() if action.effect is Effect.LOCAL else within(limit, call)


def prepared(action: Action, run: Run[object]) -> Mapping[str, object]:
    """Return, as JSON values, what the action looks up while the host's call is going on."""
    if action.prepare is None:
        return {}
    found = plain(action.prepare(run))
    if not isinstance(found, dict):
        raise TypeError("the action's prepare did not return a mapping")
    return found


def guarded(function: Callable[[], Outcome]) -> tuple[Outcome, str]:
    """Return the outcome of `function` and the class of what it raised.

    The text of an exception is never kept: it may hold a password.
    """
    try:
        return function(), ""
    except Missing as error:
        return Outcome.unknown(error.sentence), ""
    except Unavailable as error:
        return Outcome(OutcomeKind.UNAVAILABLE, error.sentence), type(error).__name__
    except (WhenthenError, OverrunError, EscapedError) as error:
        sentence = error.sentence if isinstance(error, WhenthenError) else str(error)
        return Outcome.failed(sentence), type(error).__name__
    except (Exception, SystemExit) as error:  # noqa: BLE001  # whatever a plugin raises
        return Outcome.failed(f"It raised {type(error).__name__}."), type(error).__name__
