"""Records: buffered in the host's process, written in the background, kept within bounds."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import attrs
import sqlalchemy as sa
from attrs import define, field

from whenthen.errors import StoreError
from whenthen.outcome import storable
from whenthen.parsing import parse
from whenthen.record import Record
from whenthen.store import tables
from whenthen.store.database import Database
from whenthen.store.encoding import from_json, to_json

__all__ = ["RecordStore", "record_row"]

log = logging.getLogger("whenthen.records")
_MOST_BUFFERED = 10_000
_BATCH = 500


@define
class RecordStore:
    """Where records are kept.

    `write` only buffers, so that a database that is slow, locked or away does not hold up the
    host's call. If it stays away, the newest records beyond the buffer are dropped, and counted
    in the log.
    """

    database: Database
    _buffer: queue.Queue[Record | None] = field(factory=lambda: queue.Queue(_MOST_BUFFERED))
    _writer: threading.Thread | None = None
    _starting: threading.Lock = field(factory=threading.Lock)
    _retry_seconds: float = 1.0
    _closing: threading.Event = field(factory=threading.Event)
    _away: bool = False

    def write(self, records: Sequence[Record]) -> None:
        """Keep records: at once in memory, soon in the database."""
        if not records:
            return
        self._start()
        for record in records:
            try:
                self._buffer.put_nowait(record)
            except queue.Full:
                log.error("The record of %r was dropped: the database is away.", record.binding)

    def flush(self) -> None:
        """Return when everything written so far is in the database."""
        self._buffer.join()

    def close(self) -> None:
        """Write what is buffered, and stop; what a database that is away cannot take is lost."""
        if self._writer is not None:
            self._closing.set()
            with suppress(queue.Full):
                self._buffer.put_nowait(None)
            self._writer.join(timeout=10)
            self._writer = None

    def find(
        self, *, event: str = "", binding: str = "", last: int = 100
    ) -> Iterator[tuple[int, Record]]:
        """Yield identifiers and records, the newest first."""
        table = tables.record
        query = sa.select(table).order_by(table.c.id.desc()).limit(last)
        if event:
            query = query.where(table.c.event == event)
        if binding:
            query = query.where(table.c.binding == binding)
        with self.database.reading() as connection:
            rows = connection.execute(query).all()
        for row in rows:
            yield row.id, _record(row)

    def _start(self) -> None:
        if self._writer is None or not self._writer.is_alive():
            with self._starting:
                if self._writer is None or not self._writer.is_alive():
                    self._writer = threading.Thread(
                        target=self._run, name="whenthen-records", daemon=True
                    )
                    self._writer.start()

    def _run(self) -> None:
        while True:
            batch = self._take()
            rows = [record_row(record) for record in batch if record is not None]
            while rows and not self._written(rows) and not self._closing.wait(self._retry_seconds):
                pass  # the database comes back
            for _ in batch:
                self._buffer.task_done()
            if self._closing.is_set() and self._buffer.empty():
                return

    def _take(self) -> list[Record | None]:
        batch = [self._buffer.get()]
        while len(batch) < _BATCH:
            try:
                batch.append(self._buffer.get_nowait())
            except queue.Empty:
                break
        return batch

    def _written(self, rows: list[dict[str, Any]]) -> bool:
        try:
            with self.database.writing() as connection:
                connection.execute(sa.insert(tables.record), rows)
        except (StoreError, sa.exc.OperationalError, sa.exc.TimeoutError) as error:
            if not self._away:
                log.warning("Records wait for the database: %s", type(error).__name__)
            self._away = True
            return False
        except Exception as error:  # noqa: BLE001  # nothing may end the thread
            # One that can never be written must not keep back the others.
            if len(rows) == 1:
                log.error(
                    "A record was dropped: %s", type(error).__name__
                )  # its text may hold a secret
                return True
            rows[:] = [row for row in rows if not self._written([row])]
            return not rows
        self._away = False
        return True


def record_row(record: Record) -> dict[str, Any]:
    """Return the row of a record."""
    members = attrs.asdict(record, recurse=False)
    row = {key: storable(v) if type(v) is str else v for key, v in members.items()}
    row["findings"] = to_json([attrs.asdict(finding) for finding in record.findings])
    row["empty_tags"] = to_json(list(record.empty_tags))
    return row


def _record(row: sa.Row[Any]) -> Record:
    data = dict(row._mapping)  # noqa: SLF001  # public in spite of its name
    del data["id"]
    data["findings"] = from_json(data["findings"])
    data["empty_tags"] = from_json(data["empty_tags"])
    return parse(Record, data)
