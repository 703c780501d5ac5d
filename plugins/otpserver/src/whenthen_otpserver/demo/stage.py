"""What the demo's story plays on: a mail server, the HTTP API, the command line, the observer."""

from __future__ import annotations

import email
import email.policy
import json
import queue
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from attrs import define, field

from whenthen import Record, hookimpl

__all__ = ["Api", "MailSink", "Observer", "command"]

_PATIENCE_SECONDS = 30.0


@define
class MailSink:
    """A mail server on this machine that keeps what it is given, also as files in a folder."""

    folder: Path
    received: queue.Queue[EmailMessage] = field(factory=queue.Queue)
    _count: int = field(default=0, init=False)
    _controller: Controller = field(init=False)

    @_controller.default
    def _on_a_free_port(self) -> Controller:
        return Controller(self, hostname="127.0.0.1", port=_free_port())

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802  # aiosmtpd's name
        """Take a mail."""
        content = envelope.content
        assert isinstance(content, bytes)
        message = email.message_from_bytes(content, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        self._count += 1
        (self.folder / f"mail-{self._count}.eml").write_bytes(content)
        self.received.put(message)
        return "250 OK"

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._controller.port)

    def next(self) -> EmailMessage:
        """Return the next mail, as soon as it has come."""
        return self.received.get(timeout=_PATIENCE_SECONDS)

    def __enter__(self) -> MailSink:
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@define
class Observer:
    """A plugin that sees every record: what fired, what did not, and why."""

    records: list[Record] = field(factory=list)
    _lock: threading.Lock = field(factory=threading.Lock)

    @hookimpl
    def whenthen_record(self, record: Record) -> None:
        """Keep a record until it is told."""
        with self._lock:
            self.records.append(record)

    def take(self) -> list[Record]:
        """Return the records since the last time."""
        with self._lock:
            taken, self.records = self.records, []
        return taken


@define
class Api:
    """The server's HTTP API, as a client on the network sees it."""

    url: str
    token: str = ""

    def call(self, method: str, path: str, **parameters: object) -> dict[str, Any]:
        """Return the answer to a request, whether it was granted or refused."""
        body = json.dumps(parameters).encode() if method != "GET" else None
        query = f"?{_query(parameters)}" if method == "GET" and parameters else ""
        headers = {"Content-Type": "application/json", "User-Agent": "whenthen demo"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        request = urllib.request.Request(  # noqa: S310  # our own server, by http
            f"{self.url}{path}{query}", data=body, headers=headers, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=_PATIENCE_SECONDS) as answer:  # noqa: S310
                found: dict[str, Any] = json.load(answer)
        except urllib.error.HTTPError as error:
            found = json.load(error)
        return found


def _query(parameters: Mapping[str, object]) -> str:
    import urllib.parse

    return urllib.parse.urlencode(parameters)


def command(environ: Mapping[str, str], *arguments: str) -> str:
    """Return what the command line prints, run as an administrator would."""
    done = subprocess.run(  # noqa: S603  # our own command line
        [sys.executable, "-m", "whenthen", *arguments],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if done.returncode != 0:
        raise RuntimeError(f"whenthen {' '.join(arguments)} failed: {done.stderr}")
    return done.stdout
