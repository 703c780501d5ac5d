"""Bindings and resources in the database; every change of a binding is a version."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import attrs
import sqlalchemy as sa
from attrs import frozen

from whenthen.binding import Binding, ResourceConfig, as_written
from whenthen.errors import NotFound, Problem, Refused
from whenthen.parsing import parse
from whenthen.store import tables
from whenthen.store.database import Database
from whenthen.store.encoding import from_json, to_json

__all__ = ["BindingStore", "Version"]

T = TypeVar("T", Binding, ResourceConfig)
log = logging.getLogger("whenthen.bindings")


@frozen
class Version:
    """One change of a binding: who made it, when, and what it became; None if it was deleted."""

    name: str
    version: int
    at: datetime
    who: str
    change: str
    binding: Binding | None


@frozen
class BindingStore:
    """What is configured. Each method is one transaction: it happens as a whole or not at all."""

    database: Database

    def revision(self) -> int:
        """Return the number that grows with every change."""
        with self.database.reading() as connection:
            return _revision(connection)

    def load(self) -> tuple[int, list[Binding], list[ResourceConfig]]:
        """Return the revision, all bindings and all resources, as of one moment."""
        with self.database.reading() as connection:
            revision = _revision(connection)
            bindings = connection.execute(sa.select(tables.binding.c.data)).scalars()
            resources = connection.execute(sa.select(tables.resource.c.data)).scalars()
            return (
                revision,
                list(_readable(Binding, bindings)),
                list(_readable(ResourceConfig, resources)),
            )

    def change(
        self,
        *,
        put: Sequence[Binding | ResourceConfig] = (),
        delete: Sequence[Binding | ResourceConfig] = (),
        who: str,
        change: str = "",
        based_on: int | None = None,
    ) -> None:
        """Write and delete bindings and resources.

        Args:
            put: what is written, new or not.
            delete: what is deleted.
            who: who does it, for the history.
            change: what the history says; by default created, changed or deleted.
            based_on: the revision that was looked at.

        Raises:
            Refused: somebody has changed something since that revision.
        """
        with self.database.writing() as connection:
            # First: the lock on its row makes changes wait for each other.
            if _count_up(connection) != based_on and based_on is not None:
                raise Refused(
                    [Problem("", "Somebody else has changed bindings meanwhile; try again.")]
                )
            for thing in put:
                if isinstance(thing, Binding):
                    _put_binding(connection, thing, who, change)
                else:
                    _put_resource(connection, thing)
            for thing in delete:
                if isinstance(thing, Binding):
                    _delete_binding(connection, thing.name, who)
                else:
                    table = tables.resource
                    connection.execute(sa.delete(table).where(table.c.name == thing.name))

    def get(self, name: str) -> Binding:
        """Return a binding; raises NotFound."""
        table = tables.binding
        with self.database.reading() as connection:
            query = sa.select(table.c.data).where(table.c.name == name)
            data = connection.execute(query).scalar()
        if data is None:
            raise NotFound(f"There is no binding {name!r}. `whenthen bindings` lists them.")
        return parse(Binding, from_json(data))

    def set_active(self, name: str, active: bool, *, who: str) -> None:
        """Enable or disable a binding; raises NotFound."""
        revision = self.revision()
        binding = attrs.evolve(self.get(name), active=active)
        word = "enabled" if active else "disabled"
        self.change(put=[binding], who=who, change=word, based_on=revision)

    def history(self, name: str) -> list[Version]:
        """Return the versions of a binding, the newest first; raises NotFound."""
        table = tables.binding_version
        query = sa.select(table).where(table.c.name == name).order_by(table.c.version.desc())
        with self.database.reading() as connection:
            rows = connection.execute(query).all()
        if not rows:
            raise NotFound(f"There has never been a binding {name!r}.")
        return [_version(row) for row in rows]

    def version(self, name: str, number: int) -> Binding:
        """Return a binding as it was in a version; raises NotFound."""
        for version in self.history(name):
            if version.version == number:
                if version.binding is None:
                    raise NotFound(f"In version {number} the binding {name!r} was deleted.")
                return version.binding
        raise NotFound(f"The binding {name!r} has no version {number}.")


def _readable(kind: type[T], rows: Iterable[str]) -> Iterator[T]:
    """Yield what can be read; a row of another version of ours must not keep back the others."""
    for data in rows:
        try:
            yield parse(kind, from_json(data))
        except (Refused, ValueError):
            said = "A %s in the database cannot be read and is left out: %.200s"
            log.error(said, kind.__name__, data)  # the row says it all


def _revision(connection: sa.Connection) -> int:
    return connection.execute(sa.select(tables.revision.c.number)).scalar() or 0


def _count_up(connection: sa.Connection) -> int:
    """Count the revision up, and return what it was."""
    table = tables.revision
    connection.execute(sa.update(table).values(number=table.c.number + 1))
    return _revision(connection) - 1


def _put_binding(connection: sa.Connection, binding: Binding, who: str, change: str) -> None:
    table, data = tables.binding, to_json(as_written(binding))
    same = table.c.name == binding.name
    created = connection.execute(sa.select(table.c.name).where(same)).scalar() is None
    change = change or ("created" if created else "changed")
    version = _add_version(connection, binding.name, who, change, data)
    if created:
        connection.execute(sa.insert(table).values(name=binding.name, version=version, data=data))
    else:
        connection.execute(sa.update(table).where(same).values(version=version, data=data))


def _delete_binding(connection: sa.Connection, name: str, who: str) -> None:
    table = tables.binding
    connection.execute(sa.delete(table).where(table.c.name == name))
    _add_version(connection, name, who, "deleted", None)


def _add_version(
    connection: sa.Connection, name: str, who: str, change: str, data: str | None
) -> int:
    """Write the next version of a binding, and return its number."""
    table = tables.binding_version
    query = sa.select(sa.func.max(table.c.version)).where(table.c.name == name)
    number = (connection.execute(query).scalar() or 0) + 1
    connection.execute(
        sa.insert(table).values(
            name=name, version=number, at=datetime.now(UTC), who=who, change=change, data=data
        )
    )
    return number


def _put_resource(connection: sa.Connection, resource: ResourceConfig) -> None:
    table, data = tables.resource, to_json(as_written(resource))
    same = table.c.name == resource.name
    if connection.execute(sa.update(table).where(same).values(data=data)).rowcount == 0:
        connection.execute(sa.insert(table).values(name=resource.name, data=data))


def _version(row: sa.Row[Any]) -> Version:
    binding = None if row.data is None else parse(Binding, from_json(row.data))
    return Version(row.name, row.version, row.at, row.who, row.change, binding)
