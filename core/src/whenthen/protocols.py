"""What the engine needs from outside; the store and the hosts implement it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from attrs import frozen

from whenthen.event import Event
from whenthen.run import Services

if TYPE_CHECKING:
    from whenthen.binding import Binding, ResourceConfig
    from whenthen.record import Record

__all__ = [
    "Adapter",
    "Attempt",
    "BindingSource",
    "Claimed",
    "Deliveries",
    "DeliveryState",
    "NewDelivery",
    "Outbox",
    "RecordSink",
    "StoredDelivery",
    "Transactions",
]

_Args = tuple[Any, ...]  # what the host's functions take is the host's
_Kwargs = dict[str, Any]


class Adapter(Protocol):
    """Translates between one host's calls and events."""

    def event(self, event_type: str, args: _Args, kwargs: _Kwargs) -> Event:
        """Return the event at position `pre` for a call that is about to happen."""

    def returned(self, event: Event, result: object) -> Event:
        """Return the event at position `post`, with the response that `result` makes."""

    def raised(self, event: Event, error: Exception) -> Event:
        """Return the event at position `error`."""

    def call(self, event: Event, args: _Args, kwargs: _Kwargs) -> tuple[_Args, _Kwargs]:
        """Return the arguments of the call, as the changed request has them."""

    def result(self, event: Event, result: Any) -> Any:
        """Return the result of the call, as the changed response has it."""


@frozen
class NewDelivery:
    """A deferred action on its way into the outbox: all that its run will need, as JSON values."""

    id: str
    binding: str
    handler: str
    action: str
    options: Mapping[str, object]
    event: Mapping[str, object]
    facts: Mapping[str, object]
    tags: Mapping[str, str]
    prepared: Mapping[str, object]


class DeliveryState(StrEnum):
    """Where a delivery is on its way."""

    WAITING = "waiting"
    """Until it is due: at once, or after a failed attempt."""
    RUNNING = "running"
    """A worker has it."""
    DONE = "done"
    DEAD = "dead"
    """Given up: tried too often, too late, or for ever impossible. Somebody has to look."""


@frozen
class Claimed:
    """A delivery in a worker's hands, at its attempt of this number, counted from 1."""

    new: NewDelivery
    attempt: int
    created: datetime


@frozen
class Attempt:
    """What came of one attempt at a delivery. `duration` is in seconds."""

    number: int
    started: datetime
    duration: float
    outcome: str
    detail: str = ""
    error: str = ""


@frozen
class StoredDelivery:
    """A delivery as it is listed. `detail` says what came of the last attempt."""

    id: str
    binding: str
    handler: str
    action: str
    state: DeliveryState
    created: datetime
    due: datetime
    attempts: int
    detail: str


class BindingSource(Protocol):
    """Where the bindings are."""

    def revision(self) -> int:
        """Return a number that grows with every change."""

    def load(self) -> tuple[int, Sequence[Binding], Sequence[ResourceConfig]]:
        """Return the revision, all bindings, inactive ones too, and all resources."""


class RecordSink(Protocol):
    """Where records go. It never raises into the host's call, and never waits long."""

    def write(self, records: Sequence[Record]) -> None:
        """Keep the records."""


class Outbox(Protocol):
    """Where deferred actions wait for the host's commit."""

    def add(self, delivery: NewDelivery, record: Record, services: Services) -> None:
        """Write the delivery and its record: in the host's transaction if it offers one."""


class Deliveries(Protocol):
    """What a worker needs of the outbox."""

    def claim(self, worker: str, *, most: int, lease: float) -> Sequence[Claimed]:
        """Take deliveries that are due, for `lease` seconds."""

    def renew(self, worker: str, *, lease: float) -> None:
        """Extend the lease of all that a worker has in hand to `lease` seconds from now."""

    def finish(
        self,
        claimed: Claimed,
        attempt: Attempt,
        *,
        worker: str,
        state: DeliveryState,
        due: datetime | None = None,
    ) -> bool:
        """Note an attempt and the delivery's new state; False if the lease had been lost."""


class Transactions(Protocol):
    """The host's transaction, where it offers one."""

    def savepoint(self, services: Services) -> AbstractContextManager[object]:
        """Return a context: what is done inside is kept as a whole, or undone as a whole."""
