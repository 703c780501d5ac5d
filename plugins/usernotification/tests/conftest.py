from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import svcs
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from attrs import Factory, define

import whenthen
from whenthen import Actor, EventType, UserRef, hookimpl
from whenthen.binding import Binding, ResourceConfig
from whenthen.build import Parts, assemble
from whenthen.delivery.policy import Policy
from whenthen.hosts import FunctionAdapter
from whenthen.identity import AdminDirectory, Token, TokenStore, User, UserDirectory
from whenthen.plan import compile_binding, compile_resource

CORNELIUS = User(
    "cornelius", "sales", "db",
    {"email": "cornelius@example.org", "givenname": "Cornelius", "surname": "<b>Kölbel</b>"},
)  # fmt: skip


@define
class Host:
    """A host whose users and tokens are in memory."""

    users: list[User] = Factory(lambda: [CORNELIUS])
    admins: dict[str, User] = Factory(dict)
    tokens: dict[str, Token] = Factory(
        lambda: {"T1": Token("T1", "hotp", CORNELIUS.ref), "T2": Token("T2", "hotp")}
    )

    @hookimpl
    def whenthen_event_types(self) -> Sequence[EventType]:
        return [EventType("desk_call", "Somebody calls the desk.")]

    @hookimpl
    def whenthen_services(self, registry: svcs.Registry) -> None:
        registry.register_value(TokenStore, self)
        registry.register_value(UserDirectory, Users(self))
        registry.register_value(AdminDirectory, Admins(self))

    def get(self, serial: str) -> Token | None:
        return self.tokens.get(serial)

    def owned_by(self, owner: UserRef) -> Sequence[Token]:
        return [token for token in self.tokens.values() if token.owner == owner]


@define
class Users:
    host: Host

    def find(self, user: UserRef) -> User | None:
        found = (u for u in self.host.users if (u.name, u.realm) == (user.name, user.realm))
        return next(found, None)

    def in_realm(self, realm: str) -> Sequence[User]:
        return [user for user in self.host.users if user.realm == realm]

    def realms(self) -> Sequence[str]:
        return sorted({user.realm for user in self.host.users})


@define
class Admins:
    host: Host

    def find(self, admin: Actor) -> User | None:
        return self.named(admin.name)

    def named(self, name: str) -> User | None:
        return self.host.admins.get(name)


@define
class World:
    """An engine, its host, and a worker that works when it is told to."""

    folder: Path
    host: Host = Factory(Host)
    actor: Actor | None = None
    settings: dict[str, object] = Factory(dict)
    _closing: contextlib.ExitStack = Factory(contextlib.ExitStack)

    def parts(self) -> Parts:
        parts = assemble(**self._given())
        self._closing.callback(parts.database.close)
        return parts

    def _given(self) -> dict[str, Any]:
        return {
            "database_url": f"sqlite:///{self.folder / 'test.db'}",
            "plugins": {"host": self.host},
            "settings": {"usernotification": self.settings},
        }

    def happen(
        self,
        action: str,
        options: Mapping[str, object],
        server: Mapping[str, object] | None = None,
        *,
        serial: str = "T1",
        attempts: int = 1,
        executor: str | None = None,
        mode: str = "deferred",
        **parameters: object,
    ) -> Any:
        """Bind an action, let somebody call the desk, deliver; return the parts of the engine."""
        parts = self.parts()
        parts.worker.policy = Policy(first=0, jitter=0)
        raw: dict[str, object] = {
            "name": "b", "events": ["desk_call"], "position": "post", "mode": mode,
            "handler": "usernotification", "action": action, "options": options,
        }  # fmt: skip
        binding = whenthen.parse(Binding, raw)
        given = {"host": "127.0.0.1", "tls": "none", "sender": "Desk <desk@example.org>"}
        resource = whenthen.parse(
            ResourceConfig,
            {"name": "themis", "kind": "mail_server", "options": given | dict(server or {})},
        )
        compile_resource(resource, parts.registry)
        compile_binding(binding, parts.registry, {"themis": resource})
        parts.bindings.change(put=[binding, resource], who="test")
        adapter = FunctionAdapter(actor=lambda: self.actor, client=lambda: "192.0.2.1")
        engine = whenthen.build(**self._given(), executor=executor, adapter=adapter)
        self._closing.callback(engine.close)

        @engine.event("desk_call")
        def desk_call(**arguments: object) -> object:
            return {"result": {"value": True}}

        desk_call(serial=serial, **parameters)
        parts.plan.refresh()
        for _ in range(attempts):
            parts.worker.deliver()
        return parts

    def last(self, parts: Parts) -> tuple[str, str, str]:
        """Return state, detail, and the outcome of the last attempt at the one delivery."""
        (found,) = parts.deliveries.find()
        _, attempts = parts.deliveries.get(found.id)
        return found.state.value, found.detail, attempts[-1].outcome

    def close(self) -> None:
        self._closing.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


@define
class Sink:
    """A mail server's memory and manners: its replies by address, and to DATA."""

    mails: list[tuple[str, list[str], EmailMessage]] = Factory(list)
    replies: dict[str, str] = Factory(dict)
    data: str = "250 OK"
    port: int = 0

    async def handle_RCPT(  # noqa: N802  # aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        reply = self.replies.get(address, "250 OK")
        if reply.startswith("250"):
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(  # noqa: N802  # aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        if self.data.startswith("250"):
            message = message_from_bytes(envelope.content or b"", policy=policy.default)  # type: ignore[arg-type]  # decode_data is off: it is bytes
            assert isinstance(message, EmailMessage)
            self.mails.append((envelope.mail_from or "", list(envelope.rcpt_tos), message))
        return self.data

    @property
    def server(self) -> dict[str, object]:
        return {"port": self.port}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def serve() -> Iterator[Callable[..., Sink]]:
    """Start a real SMTP server; the arguments are aiosmtpd's."""
    with contextlib.ExitStack() as running:

        def start(**arguments: Any) -> Sink:
            sink = Sink(port=free_port())
            controller = Controller(sink, hostname="127.0.0.1", port=sink.port, **arguments)
            controller.start()
            running.callback(controller.stop)
            return sink

        yield start


@pytest.fixture
def sink(serve: Callable[..., Sink]) -> Sink:
    return serve()


@pytest.fixture
def rude() -> Iterator[Callable[[bytes | None], int]]:
    """Serve who says one thing and hangs up, or with None says nothing; returns the port."""
    with contextlib.ExitStack() as running:

        def start(says: bytes | None) -> int:
            listener = socket.create_server(("127.0.0.1", 0))
            kept: list[socket.socket] = []

            def answer() -> None:
                while True:
                    try:
                        connection, _ = listener.accept()
                    except OSError:
                        return
                    kept.append(connection)
                    if says is not None:
                        connection.sendall(says)
                        connection.close()

            thread = threading.Thread(target=answer, daemon=True)
            thread.start()

            def stop() -> None:
                with contextlib.suppress(OSError):
                    listener.shutdown(socket.SHUT_RDWR)
                listener.close()
                thread.join(5)
                for connection in kept:
                    connection.close()

            running.callback(stop)
            return int(listener.getsockname()[1])

        yield start
