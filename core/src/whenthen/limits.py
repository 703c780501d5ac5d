"""Time limits: a plugin that hangs must not hold up the host's call."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from attrs import define

__all__ = ["Budget", "EscapedError", "OverrunError", "within"]

T = TypeVar("T")


class OverrunError(Exception):
    """A function did not return in time. It is left to itself: Python cannot stop a thread."""


class EscapedError(Exception):
    """A function raised what is no Exception, and so meant for nobody here."""


@define
class Budget:
    """How many seconds all inline actions of one call may take together."""

    left: float

    def spend(self, function: Callable[[], T]) -> T:
        """Return what `function` returns, and count the time that it took."""
        started = time.monotonic()
        try:
            return function()
        finally:
            self.left -= time.monotonic() - started


@define
class _Answer(Generic[T]):
    value: T | None = None
    error: BaseException | None = None


def within(seconds: float, function: Callable[[], T]) -> T:
    """Return what `function` returns, called in a thread of its own with this thread's context.

    Raises:
        OverrunError: it did not return within the time.
        EscapedError: it raised a BaseException that is no Exception.
        Exception: whatever it raised; SystemExit too.
    """
    answer: _Answer[T] = _Answer()

    def call() -> None:
        try:
            answer.value = function()
        except BaseException as error:  # noqa: BLE001  # handed to the caller below
            answer.error = error

    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(call,), name="whenthen-action", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise OverrunError(f"It did not return within {seconds:.3g} seconds.")
    if isinstance(answer.error, Exception | SystemExit):
        raise answer.error
    if answer.error is not None:
        # What asyncio and others end their own tasks with must not end the host's.
        raise EscapedError(f"It raised {type(answer.error).__name__}.")
    return answer.value  # type: ignore[return-value]  # set, since nothing was raised
