"""The worker: claims deliveries that are due, runs their actions, and notes what came of it."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta

from attrs import Factory, define, field

from whenthen.acting import chaining_off, guarded, perform
from whenthen.configured import Configured
from whenthen.delivery.policy import Policy
from whenthen.environment import StoredEnvironment
from whenthen.event import Event, new_id
from whenthen.outcome import Outcome, OutcomeKind
from whenthen.parsing import parse
from whenthen.plan import NoOptions
from whenthen.protocols import Attempt, Claimed, Deliveries, DeliveryState
from whenthen.run import Delivery, Run, Services

__all__ = ["Worker"]

log = logging.getLogger("whenthen.delivery")
_BATCH = 10


def _name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}:{new_id()[:8]}"


@define
class Worker:
    """Delivers what the outbox holds, one delivery after the other."""

    deliveries: Deliveries
    configured: Configured
    open_services: Callable[[], AbstractContextManager[Services]]
    policy: Policy = Factory(Policy)
    poll_seconds: float = 0.5
    lease_seconds: float = 30.0
    name: str = Factory(_name)
    _wake: threading.Event = field(factory=threading.Event)
    _stopping: bool = False

    def run(self) -> None:
        """Deliver until `stop` is called."""
        away = False
        while not self._stopping:
            try:
                idle = self.deliver() == 0
                away = False
            except Exception as error:  # noqa: BLE001  # the database is away; it comes back
                if not away:
                    log.warning("Deliveries wait for the database: %s", type(error).__name__)
                idle = away = True
            if idle:
                self._wake.wait(self.poll_seconds)
                self._wake.clear()

    def wake(self) -> None:
        """Say that there may be something to deliver."""
        self._wake.set()

    def stop(self) -> None:
        """End `run` after the delivery that is under way."""
        self._stopping = True
        self._wake.set()

    def deliver(self) -> int:
        """Deliver what is due now; return how many attempts were made."""
        batch = self.deliveries.claim(self.name, most=_BATCH, lease=self.lease_seconds)
        if batch:
            with self._holding():
                for claimed in batch:
                    if self._stopping:
                        break  # the lease of the others ends, and another worker takes them
                    self._attempt(claimed)
        return len(batch)

    @contextmanager
    def _holding(self) -> Iterator[None]:
        """Renew the lease of what is in hand, for as long as the context lasts.

        So a lease can be short, and what a dead worker had is soon another's, however long an
        action may take.
        """
        over = threading.Event()

        def renew() -> None:
            while not over.wait(self.lease_seconds / 3):
                try:
                    self.deliveries.renew(self.name, lease=self.lease_seconds)
                except Exception as error:  # noqa: BLE001  # the next beat tries again
                    log.warning("The lease could not be renewed: %s", type(error).__name__)

        beat = threading.Thread(target=renew, name="whenthen-heartbeat", daemon=True)
        beat.start()
        try:
            yield
        finally:
            over.set()
            beat.join()

    def _attempt(self, claimed: Claimed) -> None:
        started, clock = datetime.now(UTC), time.perf_counter()
        fresh_until, outcome, error = self._outcome(claimed)
        attempt = Attempt(
            claimed.attempt, started, time.perf_counter() - clock, outcome.kind.value,
            outcome.detail, error,
        )  # fmt: skip
        state, due = self._next(claimed, outcome, fresh_until)
        self.deliveries.finish(claimed, attempt, worker=self.name, state=state, due=due)
        level = logging.WARNING if state is DeliveryState.DEAD else logging.INFO
        log.log(level, "%s: %s, %s %s", claimed.new.binding, outcome.kind, state, outcome.detail)

    def _next(
        self, claimed: Claimed, outcome: Outcome, fresh_until: datetime
    ) -> tuple[DeliveryState, datetime | None]:
        if outcome.kind is OutcomeKind.DONE:
            return DeliveryState.DONE, None
        if outcome.permanent or outcome.kind is OutcomeKind.UNKNOWN:
            return DeliveryState.DEAD, None
        due = self.policy.next_try(
            claimed.attempt, datetime.now(UTC), until=fresh_until, hint=outcome.retry_after
        )
        return (DeliveryState.DEAD if due is None else DeliveryState.WAITING), due

    def _outcome(self, claimed: Claimed) -> tuple[datetime, Outcome, str]:
        """Run the action; return until when it is worth doing, its outcome, the error's class."""
        new = claimed.new
        fresh_until = datetime.max.replace(tzinfo=UTC)

        def run() -> Outcome:
            nonlocal fresh_until
            if claimed.attempt > self.policy.attempts:
                # Whatever ran it never came back to say so: it may be what kills the workers.
                return Outcome.failed("It was tried too often and never ended.", permanent=True)
            action = self.configured.registry.action(new.handler, new.action)
            fresh_until = claimed.created + timedelta(seconds=action.fresh_for)
            if datetime.now(UTC) > fresh_until:
                return Outcome.failed("It came too late to be of use.", permanent=True)
            with self.open_services() as services:
                event = parse(Event, new.event)
                ready: Run[object] = Run(
                    event,
                    parse(action.options or NoOptions, new.options),
                    time.monotonic() + action.time_limit,
                    self.configured.registry.secrets(event.type),
                    Delivery(new.id, claimed.attempt),
                    new.prepared,
                    environment=StoredEnvironment(
                        new.handler, self.configured, services, new.facts, new.tags
                    ),
                )
                with chaining_off():
                    return perform(action, ready, action.time_limit)

        outcome, error = guarded(run)
        return fresh_until, outcome, error
