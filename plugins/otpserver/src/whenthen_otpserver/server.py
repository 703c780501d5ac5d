"""The API on a port of this machine, for tests, demonstrations and small sites."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from attrs import define, field

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

__all__ = ["Server"]

_STOP_SECONDS = 10.0


@define
class Server:
    """A waitress server in a thread of its own; a context manager that starts and stops it.

    `port` 0 means any free port; `url` says which it became.
    """

    app: WSGIApplication
    address: str = "127.0.0.1"
    port: int = 0
    threads: int = 4
    _server: Any = field(default=None, init=False)  # waitress ships no types
    _thread: threading.Thread | None = field(default=None, init=False)

    @property
    def url(self) -> str:
        """Where the API is, without a slash at the end."""
        return f"http://{self.address}:{self.port}"

    def start(self) -> None:
        """Listen, and answer requests in the background."""
        import waitress

        self._server = waitress.create_server(
            self.app, host=self.address, port=self.port, threads=self.threads, ident=None
        )
        self.port = int(self._server.effective_port)
        self._thread = threading.Thread(target=self._server.run, name="otpserver", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish what is being answered, and close the port."""
        if self._thread is None:
            return
        server, self._server = self._server, None
        server.task_dispatcher.shutdown(cancel_pending=True, timeout=_STOP_SECONDS)
        # Sockets are closed in the loop's own thread, which ends when it has none left.
        server.trigger.pull_trigger(lambda: server.asyncore.close_all(server._map))  # noqa: SLF001  # there is no other way
        self._thread.join(_STOP_SECONDS)
        self._thread = None

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
