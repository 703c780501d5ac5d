"""One run of a program: without a shell, with a time limit, with capped output.

The program has a session of its own. When it ends, or its time is over, all of its process group is
killed, so that nothing is left behind; only what leaves the group by itself escapes.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from attrs import define, field, frozen

__all__ = ["GRACE_SECONDS", "Ended", "run_program"]

GRACE_SECONDS = 1.0
"""How long a program has after SIGTERM, before SIGKILL."""
_MOST_OUTPUT = 64 * 1024
_CHUNK = 16 * 1024
_POLL_SECONDS = 0.02


@frozen
class Ended:
    """How a program ended. `status` is negative if a signal ended it, as in `subprocess`."""

    status: int
    output: bytes
    truncated: bool
    timed_out: bool


def run_program(
    arguments: Sequence[str], environ: Mapping[str, str], given: bytes, seconds: float
) -> Ended:
    """Run a program; `given` stands on its standard input, both its outputs are read as one.

    Raises:
        OSError: it cannot be started.
    """
    process = subprocess.Popen(  # noqa: S603  # what may run is the business of directory.py
        list(arguments),
        stdin=subprocess.PIPE if given else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=dict(environ),
        cwd=Path("/"),
        start_new_session=True,
    )
    with _Running(process, given) as running:
        timed_out = not running.until(time.monotonic() + seconds)
        if timed_out:
            running.signal(signal.SIGTERM)
            running.until(time.monotonic() + GRACE_SECONDS)
    return Ended(process.returncode, bytes(running.output), running.truncated, timed_out)


@define
class _Running:
    """A program that runs, and its pipes; leaving the context kills what is left of it."""

    process: subprocess.Popen[bytes]
    given: bytes
    output: bytearray = field(factory=bytearray)
    truncated: bool = False
    _pipes: selectors.BaseSelector = field(factory=selectors.DefaultSelector)

    def __enter__(self) -> _Running:
        self._open(self.process.stdout, selectors.EVENT_READ)
        self._open(self.process.stdin, selectors.EVENT_WRITE)
        return self

    def __exit__(self, *_error: object) -> None:
        # The program is not waited for yet, so its group cannot have become somebody else's.
        self.signal(signal.SIGKILL)
        self.process.wait()
        for _again in range(_MOST_OUTPUT // _CHUNK):
            self._transfer(0)  # what it wrote last; who left the group may go on writing
        for key in list(self._pipes.get_map().values()):
            self._close(key)
        self._pipes.close()

    def until(self, deadline: float) -> bool:
        """Serve the pipes until the program ends; return False if it has not by the deadline."""
        while not self._ended():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self._transfer(min(left, _POLL_SECONDS))
        return True

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program and all that it started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)

    def _ended(self) -> bool:
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self.process.pid, options) is not None

    def _open(self, pipe: IO[bytes] | None, event: int) -> None:
        if pipe is not None:
            os.set_blocking(pipe.fileno(), False)
            self._pipes.register(pipe, event)

    def _close(self, key: selectors.SelectorKey) -> None:
        self._pipes.unregister(key.fileobj)
        with contextlib.suppress(BrokenPipeError):
            key.fileobj.close()  # type: ignore[union-attr]  # only pipes are registered

    def _transfer(self, seconds: float) -> None:
        for key, event in self._pipes.select(seconds):
            try:
                at_end = self._read(key.fd) if event & selectors.EVENT_READ else self._write(key.fd)
            except BlockingIOError:
                continue
            except OSError:
                at_end = True
            if at_end:
                self._close(key)

    def _read(self, descriptor: int) -> bool:
        """Read what is there, up to the cap's end and beyond: the rest is dropped."""
        chunk = os.read(descriptor, _CHUNK)
        room = _MOST_OUTPUT - len(self.output)
        self.output += chunk[:room]
        self.truncated = self.truncated or len(chunk) > room
        return not chunk

    def _write(self, descriptor: int) -> bool:
        self.given = self.given[os.write(descriptor, self.given[:_CHUNK]) :]
        return not self.given
