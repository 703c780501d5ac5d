"""When a delivery is tried again, and when it is given up."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from attrs import frozen

__all__ = ["Policy"]


@frozen
class Policy:
    """Exponential backoff with jitter: 5 s, 10 s, 20 s, ... up to `longest` seconds, each ±20 %."""

    attempts: int = 10
    first: float = 5.0
    factor: float = 2.0
    longest: float = 3600.0
    jitter: float = 0.2

    def next_try(
        self, attempt: int, now: datetime, *, until: datetime, hint: float | None = None
    ) -> datetime | None:
        """Return when to try again after the attempt of this number; None to give up.

        Args:
            attempt: counted from 1.
            now: the end of that attempt.
            until: after this the delivery is useless.
            hint: seconds before which the other side does not want to be asked again.
        """
        if attempt >= self.attempts:
            return None
        pause = min(self.longest, self.first * self.factor ** (attempt - 1))
        pause *= random.uniform(1 - self.jitter, 1 + self.jitter)  # noqa: S311  # spreads load, hides nothing
        due = now + timedelta(seconds=max(pause, hint or 0.0))
        return due if due < until else None
