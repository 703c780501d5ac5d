"""The host: its database, its keys, and the work that one call does in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from email.message import EmailMessage

import sqlalchemy as sa
from attrs import field, frozen
from sqlalchemy.orm import Session

from whenthen import UserRef
from whenthen.identity import User
from whenthen_otpserver.checking import Checker
from whenthen_otpserver.database import explained, open_engine
from whenthen_otpserver.mail import send
from whenthen_otpserver.services import current
from whenthen_otpserver.settings import Settings
from whenthen_otpserver.store import Tokens
from whenthen_otpserver.users import Admins, Users
from whenthen_otpserver.vault import Hasher, Vault, open_vault

__all__ = ["Host", "Work", "open_host"]


def _keeps_nothing(_error: Exception) -> bool:
    return False


@frozen
class Work:
    """What one call works with, all of it in the call's transaction."""

    settings: Settings
    vault: Vault
    session: Session
    users: Users
    admins: Admins
    tokens: Tokens
    outgoing: list[EmailMessage] = field(factory=list)
    """Mails that are sent once the transaction is committed: a slow server holds no lock."""

    @property
    def checker(self) -> Checker:
        """The checks of passwords, as of now."""
        return Checker(self.tokens, self.settings)


@frozen
class Host:
    """An authentication server without its HTTP API."""

    settings: Settings
    engine: sa.Engine
    vault: Vault = field(repr=False)
    hasher: Hasher = field(repr=False)

    @contextmanager
    def work(self, *, keeps: Callable[[Exception], bool] = _keeps_nothing) -> Iterator[Work]:
        """Give what a call works with; its services are offered until the end of the context.

        The transaction is committed at the end, and when an error is raised of which `keeps` says
        that what was written stays; any other error rolls it back.

        Raises:
            Unreachable: the database is away, or the mail server is.
        """
        with explained(), self.engine.connect() as connection:
            transaction = connection.begin()
            with Session(connection, join_transaction_mode="create_savepoint") as session:
                work = self._work(session)
                before = current.set(work)
                try:
                    yield work
                except Exception as error:
                    if keeps(error):
                        session.commit()
                        transaction.commit()
                    raise
                finally:
                    current.reset(before)
                session.commit()
            transaction.commit()
        if self.settings.smtp is not None:
            for message in work.outgoing:
                send(self.settings.smtp, message)

    def add_resolver(self, name: str, *, path: str = "") -> None:
        """Add a store of users: the passwd-style file at `path`, or one in the database."""
        with self.work() as work:
            work.users.add_resolver(name, path)

    def add_realm(self, name: str, resolvers: Sequence[str], *, default: bool = False) -> None:
        """Add a realm, whose users are in the first of the resolvers that has them."""
        with self.work() as work:
            work.users.add_realm(name, resolvers, default=default)

    def add_user(
        self, name: str, realm: str = "", *, password: str | None = None, **attributes: str
    ) -> User:
        """Add a user; attributes are such as `givenname`, `surname`, `email`, `mobile`."""
        with self.work() as work:
            return work.users.add(UserRef(name, realm), password, attributes)

    def add_admin(self, name: str, password: str, **attributes: str) -> None:
        """Add an administrator; attributes are such as `email`."""
        with self.work() as work:
            work.admins.add(name, password, attributes)

    def enroll(
        self,
        token_type: str,
        parameters: Mapping[str, object] | None = None,
        *,
        owner: UserRef | None = None,
        serial: str = "",
        pin: str = "",
    ) -> Mapping[str, object]:
        """Enrol a token, and return what its holder needs: `detail`, secrets included."""
        with self.work() as work:
            return work.tokens.enroll(
                token_type, parameters or {}, owner=owner, serial=serial, pin=pin
            ).detail

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    def __enter__(self) -> Host:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _work(self, session: Session) -> Work:
        users = Users(session, self.hasher)
        tokens = Tokens(session, users, self.vault, self.hasher, self.settings.issuer)
        return Work(self.settings, self.vault, session, users, Admins(session, self.hasher), tokens)


def open_host(settings: Settings) -> Host:
    """Open a host: its keys and its database, which is brought to the current schema.

    Raises:
        SettingsError: the keys cannot be used.
        StoreError: the database's URL is wrong, or its schema is a newer one.
        Unreachable: the database does not answer.
    """
    vault = open_vault(settings)
    return Host(settings, open_engine(settings.database_url), vault, Hasher.of(settings))
