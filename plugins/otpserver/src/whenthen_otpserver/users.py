"""Users in realms and resolvers, and administrators, as the database and the files have them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import sqlalchemy as sa
from attrs import frozen
from sqlalchemy.orm import Session

from whenthen import Actor, UserRef
from whenthen.identity import User
from whenthen_otpserver import tables
from whenthen_otpserver.errors import BadRequest, Conflict, NotFound
from whenthen_otpserver.passwd import Account, accounts
from whenthen_otpserver.vault import Hasher

__all__ = ["Admins", "Users"]

SQL = "sql"
PASSWD = "passwd"  # noqa: S105  # a kind of resolver


@frozen
class _Resolver:
    name: str
    kind: str
    path: str


@frozen
class Users:
    """The host's users: a realm is a list of resolvers, and the first that has a name wins."""

    session: Session
    hasher: Hasher

    def find(self, user: UserRef) -> User | None:
        """Return the user as the store has them now, or None if they are not there."""
        found = self._account(user)
        return found and found[0]

    def verify(self, user: UserRef, password: str) -> User | None:
        """Return the user if the password is theirs; it takes as long for nobody."""
        found = self._account(user)
        right = self.hasher.verify(found[1] if found else None, password)
        return found[0] if found and right else None

    def in_realm(self, realm: str) -> Sequence[User]:
        """Return the users of a realm, each name once."""
        found: dict[str, User] = {}
        for resolver in self._resolvers(realm):
            for account in self._accounts(resolver):
                user = User(account.name, realm, resolver.name, account.attributes)
                found.setdefault(account.name, user)
        return [found[name] for name in sorted(found)]

    def realms(self) -> Sequence[str]:
        """Return the names of the realms."""
        query = sa.select(tables.realm.c.name).order_by(tables.realm.c.name)
        return self.session.execute(query).scalars().all()

    def default_realm(self) -> str:
        """Return the realm of users that are named without one; empty, if there is none."""
        query = sa.select(tables.realm.c.name).where(tables.realm.c.is_default)
        return self.session.execute(query).scalar() or ""

    def add_resolver(self, name: str, path: str = "") -> None:
        """Add a store of users: the passwd-style file at `path`, or one in this database."""
        self._insert(tables.resolver, name=name, kind=PASSWD if path else SQL, path=path)

    def add_realm(self, name: str, resolvers: Sequence[str], *, default: bool = False) -> None:
        """Add a realm, whose users are in the first resolver that has them.

        The first realm is the default realm, until another one says that it is.
        """
        for resolver in resolvers:
            query = sa.select(tables.resolver).where(tables.resolver.c.name == resolver)
            if self.session.execute(query).first() is None:
                raise NotFound(f"There is no resolver {resolver!r}.")
        default = default or not self.default_realm()
        if default:
            self.session.execute(sa.update(tables.realm).values(is_default=False))
        self._insert(tables.realm, name=name, is_default=default)
        for position, resolver in enumerate(resolvers):
            self._insert(tables.realm_resolver, realm=name, resolver=resolver, position=position)

    def add(self, user: UserRef, password: str | None, attributes: Mapping[str, str]) -> User:
        """Add a user to the first resolver of the realm that can be written to."""
        realm = user.realm or self.default_realm()
        if self.find(UserRef(user.name, realm)) is not None:
            raise Conflict(f"There is a user {user.name!r} in the realm {realm!r} already.")
        writable = [
            resolver.name
            for resolver in self._resolvers(realm)
            if resolver.kind == SQL and user.resolver in ("", resolver.name)
        ]
        if not writable:
            raise Conflict(f"No resolver of the realm {realm!r} takes new users.")
        self._insert(
            tables.user,
            resolver=writable[0],
            name=user.name,
            password=None if password is None else self.hasher.hash(password),
            attributes=dict(attributes),
        )
        return User(user.name, realm, writable[0], dict(attributes))

    def update(self, user: UserRef, password: str | None, attributes: Mapping[str, str]) -> None:
        """Change a user's password, if one is given, and the attributes that are given."""
        found = self._writable(user)
        kept = {**found.attributes, **attributes}
        values: dict[str, object] = {"attributes": {k: v for k, v in kept.items() if v}}
        if password is not None:
            values["password"] = self.hasher.hash(password)
        self.session.execute(sa.update(tables.user).where(*_row(found)).values(values))

    def delete(self, user: UserRef) -> None:
        """Delete a user; their tokens stay, without a user in a store."""
        found = self._writable(user)
        self.session.execute(sa.delete(tables.user).where(*_row(found)))

    def _writable(self, user: UserRef) -> User:
        found = self.find(user)
        if found is None:
            raise NotFound(f"There is no user {user.name!r} in the realm {user.realm!r}.")
        query = sa.select(tables.user.c.id).where(*_row(found))
        if self.session.execute(query).first() is None:
            raise Conflict(f"The resolver of {user.name!r} is a file, which is only read.")
        return found

    def _resolvers(self, realm: str) -> list[_Resolver]:
        query = (
            sa.select(tables.resolver)
            .join(tables.realm_resolver)
            .where(tables.realm_resolver.c.realm == realm)
            .order_by(tables.realm_resolver.c.position)
        )
        return [_Resolver(row.name, row.kind, row.path) for row in self.session.execute(query)]

    def _account(self, user: UserRef) -> tuple[User, str | None] | None:
        realm = user.realm or self.default_realm()
        for resolver in self._resolvers(realm):
            if user.resolver in ("", resolver.name):
                for account in self._accounts(resolver, user.name):
                    found = User(account.name, realm, resolver.name, account.attributes)
                    return found, account.password
        return None

    def _accounts(self, resolver: _Resolver, name: str | None = None) -> Iterator[Account]:
        if resolver.kind == PASSWD:
            yield from (
                account for account in accounts(resolver.path) if name in (None, account.name)
            )
            return
        query = sa.select(tables.user).where(tables.user.c.resolver == resolver.name)
        if name is not None:
            query = query.where(tables.user.c.name == name)
        for row in self.session.execute(query).all():
            yield Account(row.name, row.password, dict(row.attributes))

    def _insert(self, table: sa.Table, **values: object) -> None:
        insert(self.session, table, values)


def insert(session: Session, table: sa.Table, values: Mapping[str, object]) -> None:
    """Insert a row whose name must be free."""
    try:
        with session.begin_nested():
            session.execute(sa.insert(table).values(values))
    except sa.exc.DataError:
        raise BadRequest("A name or a text is too long.") from None
    except sa.exc.IntegrityError:
        raise Conflict(f"The name {values.get('name', '')!r} is taken already.") from None


def _row(user: User) -> tuple[sa.ColumnElement[bool], ...]:
    return (tables.user.c.resolver == user.resolver, tables.user.c.name == user.name)


@frozen
class Admins:
    """The host's administrators."""

    session: Session
    hasher: Hasher

    def find(self, admin: Actor) -> User | None:
        """Return the administrator with their attributes, or None."""
        return self.named(admin.name) if admin.role == "admin" else None

    def named(self, name: str) -> User | None:
        """Return an administrator by name, or None."""
        row = self._row(name)
        return row and User(row.name, "", "", dict(row.attributes))

    def verify(self, name: str, password: str) -> User | None:
        """Return the administrator if the password is theirs; it takes as long for nobody."""
        row = self._row(name)
        right = self.hasher.verify(row and row.password, password)
        return User(row.name, "", "", dict(row.attributes)) if row and right else None

    def add(self, name: str, password: str, attributes: Mapping[str, str]) -> None:
        """Add an administrator."""
        values = {
            "name": name,
            "password": self.hasher.hash(password),
            "attributes": dict(attributes),
        }
        insert(self.session, tables.admin, values)

    def _row(self, name: str) -> sa.Row[tuple[object, ...]] | None:
        query = sa.select(tables.admin).where(tables.admin.c.name == name)
        return self.session.execute(query).first()
