"""The outbox: deliveries and their attempts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import sqlalchemy as sa
from attrs import field, frozen

from whenthen.errors import NotFound, Refused
from whenthen.parsing import parse
from whenthen.protocols import Attempt, Claimed, DeliveryState, NewDelivery, StoredDelivery
from whenthen.record import Record
from whenthen.run import Services
from whenthen.store import tables
from whenthen.store.database import Database
from whenthen.store.encoding import from_json, to_json
from whenthen.store.host import begin_really, host_connection
from whenthen.store.records import record_row

__all__ = ["DeliveryStore"]

_delivery = tables.delivery


@frozen
class DeliveryStore:
    """Deferred actions, in the host's transaction until it commits, then here for the workers.

    `wake` is called when deliveries may be waiting that no transaction of the host holds back.
    """

    database: Database
    wake: Callable[[], None] = field(default=lambda: None)

    def add(self, delivery: NewDelivery, record: Record, services: Services) -> None:
        """Write a delivery and its record, in the host's transaction if it offers one."""
        connection = host_connection(services, self.database.engine.url)
        if connection is None:
            with self.database.writing() as own:
                _insert(own, delivery, record)
            self.wake()
        else:
            # A savepoint, so that a failure here leaves the host's transaction usable.
            begin_really(connection)
            with connection.begin_nested():
                _insert(connection, delivery, record)

    def claim(self, worker: str, *, most: int, lease: float) -> list[Claimed]:
        """Take deliveries that are due, for `lease` seconds; no other worker gets them meanwhile.

        A delivery whose lease has ended is due again: the worker that had it is gone.
        """
        now = datetime.now(UTC)
        due = (
            sa.select(_delivery.c.id)
            .where(_delivery.c.state.in_([DeliveryState.WAITING, DeliveryState.RUNNING]))
            .where(_delivery.c.due <= now)
            .order_by(_delivery.c.due, _delivery.c.created)
            .limit(most)
            .with_for_update(skip_locked=True)
        )
        with self.database.writing() as connection:
            ids = connection.execute(due).scalars().all()
            if not ids:
                return []
            mine = _delivery.c.id.in_(ids)
            connection.execute(
                sa.update(_delivery)
                .where(mine)
                .values(
                    state=DeliveryState.RUNNING,
                    worker=worker,
                    due=now + timedelta(seconds=lease),
                    attempts=_delivery.c.attempts + 1,
                )
            )
            mine_in_order = sa.select(_delivery).where(mine).order_by(_delivery.c.created)
            rows = connection.execute(mine_in_order).all()
            return [claimed for row in rows if (claimed := _claimed(row, connection))]

    def renew(self, worker: str, *, lease: float) -> None:
        """Extend the lease of all that a worker has in hand to `lease` seconds from now."""
        held = (_delivery.c.worker == worker) & (_delivery.c.state == DeliveryState.RUNNING)
        due = datetime.now(UTC) + timedelta(seconds=lease)
        with self.database.writing() as connection:
            connection.execute(sa.update(_delivery).where(held).values(due=due))

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
        values: dict[str, object] = {
            "state": state, "due": due or datetime.now(UTC), "worker": "", "detail": attempt.detail,
        }  # fmt: skip
        if state is DeliveryState.DONE:
            values["payload"] = "{}"  # a mail's text may hold a code; nobody needs it any more
        with self.database.writing() as connection:
            changed = connection.execute(
                sa.update(_delivery)
                .where(_delivery.c.id == claimed.new.id, _delivery.c.worker == worker)
                .where(_delivery.c.attempts == claimed.attempt)
                .values(values)
            )
            connection.execute(
                sa.insert(tables.attempt).values(delivery=claimed.new.id, **attrs.asdict(attempt))
            )
        return changed.rowcount == 1

    def find(
        self, *, state: str = "", binding: str = "", last: int = 100
    ) -> Sequence[StoredDelivery]:
        """Return deliveries, the newest first."""
        query = sa.select(_delivery).order_by(_delivery.c.created.desc()).limit(last)
        if state:
            query = query.where(_delivery.c.state == state)
        if binding:
            query = query.where(_delivery.c.binding == binding)
        with self.database.reading() as connection:
            return [_stored(row) for row in connection.execute(query)]

    def get(self, identifier: str) -> tuple[StoredDelivery, Sequence[Attempt]]:
        """Return a delivery and its attempts; raises NotFound."""
        table = tables.attempt
        attempts = sa.select(table).where(table.c.delivery == identifier).order_by(table.c.id)
        with self.database.reading() as connection:
            row = connection.execute(
                sa.select(_delivery).where(_delivery.c.id == identifier)
            ).one_or_none()
            rows = connection.execute(attempts).all()
        if row is None:
            raise NotFound(
                f"There is no delivery {identifier!r}. `whenthen deliveries` lists them."
            )
        return _stored(row), list(map(_attempt, rows))

    def pending(self) -> int:
        """Return how many deliveries wait or run."""
        open_states = [DeliveryState.WAITING, DeliveryState.RUNNING]
        query = sa.select(sa.func.count()).where(_delivery.c.state.in_(open_states))
        with self.database.reading() as connection:
            return connection.execute(query).scalar_one()


def _insert(connection: sa.Connection, delivery: NewDelivery, record: Record) -> None:
    now = datetime.now(UTC)
    connection.execute(
        sa.insert(_delivery).values(
            id=delivery.id, binding=delivery.binding, handler=delivery.handler,
            action=delivery.action, state=DeliveryState.WAITING, created=now, due=now, attempts=0,
            worker="", detail="", payload=to_json(attrs.asdict(delivery)),
        )
    )  # fmt: skip
    connection.execute(sa.insert(tables.record).values(**record_row(record)))


def _claimed(row: sa.Row[Any], connection: sa.Connection) -> Claimed | None:
    """Return a delivery as its worker gets it; one that cannot be read is dead."""
    try:
        return Claimed(parse(NewDelivery, from_json(row.payload)), row.attempts, row.created)
    except (Refused, ValueError):
        detail = "It cannot be read: was it made by another version of whenthen?"
        unreadable = sa.update(_delivery).where(_delivery.c.id == row.id)
        connection.execute(unreadable.values(state=DeliveryState.DEAD, worker="", detail=detail))
        return None


def _stored(row: sa.Row[Any]) -> StoredDelivery:
    return StoredDelivery(
        row.id, row.binding, row.handler, row.action, DeliveryState(row.state), row.created,
        row.due, row.attempts, row.detail,
    )  # fmt: skip


def _attempt(row: sa.Row[Any]) -> Attempt:
    return Attempt(row.number, row.started, row.duration, row.outcome, row.detail, row.error)
