"""The embedded executor: a worker in a thread of the host's process."""

from __future__ import annotations

import threading

from attrs import define, field

from whenthen.delivery.worker import Worker

__all__ = ["EmbeddedExecutor"]


@define
class EmbeddedExecutor:
    """Runs a worker in a thread of this process. Several processes may each have one."""

    worker: Worker
    _thread: threading.Thread | None = field(default=None, init=False)

    def start(self) -> None:
        """Begin to deliver."""
        self._thread = threading.Thread(target=self.worker.run, name="whenthen-worker", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Say that there may be something to deliver."""
        self.worker.wake()

    def close(self) -> None:
        """End after the delivery that is under way; the others stay in the outbox."""
        self.worker.stop()
        if self._thread is not None:
            self._thread.join(timeout=30)
