"""The store on SQLite, PostgreSQL and MariaDB: one suite, in databases of their own."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import sqlalchemy as sa
import svcs
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.orm import Session

from whenthen import Event, Finding, OutcomeKind, Position, Record, Refused, Verdict, parse
from whenthen.binding import Binding
from whenthen.errors import NotFound, StoreError
from whenthen.protocols import Attempt, Claimed, DeliveryState, NewDelivery
from whenthen.services import HostServices
from whenthen.store import (
    BindingStore,
    Database,
    DeliveryStore,
    HostTransactions,
    RecordStore,
    open_database,
)
from whenthen.store.tables import metadata

if TYPE_CHECKING:
    from core.tests.conftest import Lab

SERVERS = {
    "postgresql": "postgresql+psycopg://postgres@127.0.0.1:5432/test",
    "mariadb": "mysql+pymysql://root@127.0.0.1:3306/test",
}
NOW = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture(scope="module", params=["sqlite", *SERVERS])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An empty database that nobody else uses."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path_factory.mktemp('store') / 'whenthen.db'}"
        return
    server, name = SERVERS[request.param], f"whenthen_test_{os.getpid()}"
    timeout = {"connect_timeout": 3}
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT", connect_args=timeout)
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {name}")
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
    except sa.exc.OperationalError as error:
        engine.dispose()
        pytest.skip(f"{request.param} cannot be reached at {server}: {error.orig}")
    yield str(engine.url.set(database=name).render_as_string(hide_password=False))
    with engine.connect() as connection:
        force = " WITH (FORCE)" if request.param == "postgresql" else ""
        connection.exec_driver_sql(f"DROP DATABASE {name}{force}")
    engine.dispose()


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """Fresh tables."""
    database = open_database(url)
    with database.writing() as connection:
        for table in metadata.sorted_tables:
            connection.execute(sa.delete(table))
        connection.execute(sa.insert(metadata.tables["whenthen_revision"]).values(id=1, number=0))
    yield database
    database.close()


def services(**offered: object) -> HostServices:
    registry = svcs.Registry()
    for value in offered.values():
        registry.register_value(type(value), value)
    return HostServices.of(registry)


NOTHING = HostServices.of(svcs.Registry())


def record(binding: str = "one", **given: object) -> Record:
    base = Record("e" * 32, "op", Position.POST, binding, "lab", "act", OutcomeKind.DONE, NOW)
    return attrs.evolve(base, **given)  # type: ignore[arg-type]  # as the caller says


def delivery(identifier: str, **options: object) -> NewDelivery:
    event = Event("op", Position.POST).masked(frozenset())
    return NewDelivery(
        identifier, "one", "lab", "act", options, event, {"n": 1}, {"user": "ann"}, {}
    )


def attempt(number: int) -> Attempt:
    return Attempt(number, NOW, 0.5, "done", "It went.", "")


def test_the_migrations_make_the_tables_that_the_code_knows(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "version_table": "whenthen_version",
                "compare_type": True,
                "include_name": lambda name, kind, _: (
                    kind != "table" or str(name).startswith("whenthen_")
                ),
            },
        )
        assert compare_metadata(context, metadata) == []


def test_opened_again_it_is_as_it_was(database: Database, url: str) -> None:
    BindingStore(database).change(who="x")
    again = open_database(url)
    assert BindingStore(again).revision() == 1
    again.close()


def test_a_newer_schema_is_refused(database: Database, url: str) -> None:
    def version(number: str) -> None:
        with database.writing() as connection:
            connection.execute(
                sa.text("UPDATE whenthen_version SET version_num = :n"), {"n": number}
            )

    version("9999")
    try:
        with pytest.raises(StoreError, match="newer"):
            open_database(url)
    finally:
        version("0001")


def test_records_keep_everything(database: Database) -> None:
    store = RecordStore(database)
    full = record(
        "two", duration=0.25, detail="Ünï 🔑", error="ValueError", delivery="d" * 32,
        findings=(
            Finding("any", Verdict.UNKNOWN, children=(
                Finding("a: 1", Verdict.MET, "a", "1", "the mail", ""), Finding("b", None),
            )),
        ),
        empty_tags=("serial",),
    )  # fmt: skip
    store.write([record("one"), full])
    store.flush()
    assert [found for _, found in store.find()] == [full, record("one")]
    assert [found for _, found in store.find(binding="two")] == [full]
    assert list(store.find(event="other")) == []
    assert [found.binding for _, found in store.find(last=1)] == ["two"]
    store.close()


def test_a_record_that_cannot_be_written_does_not_keep_back_the_others(database: Database) -> None:
    store = RecordStore(database)
    bad = record("bad", detail="\ud800", findings=(Finding("serial: \ud800", Verdict.MET),))
    store.write([record("one"), bad, record("two")])
    flushed = threading.Thread(target=store.flush, daemon=True)
    flushed.start()
    flushed.join(20)
    assert not flushed.is_alive()
    assert {found.binding for _, found in store.find()} >= {"one", "two"}
    store.close()


def test_bindings_and_versions(database: Database, lab: Lab) -> None:
    store = BindingStore(database)
    binding = lab.binding("one", options={"long": "ü🔑" * 40_000}, conditions=[{"realm": "a"}])
    store.change(put=[binding], who="ann")
    assert store.load() == (1, [binding], [])
    assert store.version("one", 1) == binding
    store.change(delete=[binding], who="bob")
    assert store.revision() == 2
    with pytest.raises(NotFound):
        store.get("one")
    assert [version.who for version in store.history("one")] == ["bob", "ann"]


def test_a_change_happens_as_a_whole(database: Database, lab: Lab) -> None:
    store = BindingStore(database)
    store.change(put=[lab.binding("old")], who="x")
    nameless: Any = None
    with pytest.raises(sa.exc.SQLAlchemyError):
        store.change(
            put=[lab.binding("new"), attrs.evolve(lab.binding("x"), name=nameless)], who="x"
        )
    assert store.load() == (1, [lab.binding("old")], [])


def test_changes_at_the_same_time_are_all_made(database: Database, lab: Lab) -> None:
    store = BindingStore(database)
    store.change(who="x")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: store.change(put=[lab.binding(order=n)], who="x"), range(12)))
    assert store.revision() == 13
    assert [version.version for version in store.history("one")] == list(range(12, 0, -1))


def test_a_delivery_is_claimed_finished_and_listed(database: Database) -> None:
    store = DeliveryStore(database)
    new = delivery("d1", text="ü")
    store.add(new, record(delivery="d1"), NOTHING)
    assert store.pending() == 1
    (claimed,) = store.claim("w1", most=10, lease=60)
    assert (claimed.new, claimed.attempt) == (new, 1)
    assert store.claim("w2", most=10, lease=60) == []
    assert store.finish(claimed, attempt(1), worker="w1", state=DeliveryState.DONE)
    assert store.pending() == 0
    found, attempts = store.get("d1")
    assert (found.state, found.attempts, found.detail) == (DeliveryState.DONE, 1, "It went.")
    assert attempts == [attempt(1)]
    assert [one.id for one in store.find(state="done", binding="one")] == ["d1"]
    assert store.find(state="dead") == []
    assert [one.delivery for _, one in RecordStore(database).find()] == ["d1"]
    with pytest.raises(NotFound):
        store.get("d2")


def test_what_is_not_due_waits(database: Database) -> None:
    store = DeliveryStore(database)
    store.add(delivery("d1"), record(), NOTHING)
    (claimed,) = store.claim("w", most=1, lease=60)
    later = datetime.now(UTC) + timedelta(hours=1)
    assert store.finish(claimed, attempt(1), worker="w", state=DeliveryState.WAITING, due=later)
    assert store.claim("w", most=1, lease=60) == []
    assert store.pending() == 1


def test_a_lease_that_ended_is_anothers_and_the_first_is_told(database: Database) -> None:
    store = DeliveryStore(database)
    store.add(delivery("d1"), record(), NOTHING)
    (first,) = store.claim("w1", most=1, lease=-1)
    (second,) = store.claim("w2", most=1, lease=60)
    assert (second.new.id, second.attempt) == ("d1", 2)
    assert not store.finish(first, attempt(1), worker="w1", state=DeliveryState.DEAD)
    assert store.get("d1")[0].state is DeliveryState.RUNNING
    assert store.finish(second, attempt(2), worker="w2", state=DeliveryState.DONE)
    assert [one.number for one in store.get("d1")[1]] == [1, 2]


def test_a_renewed_lease_holds(database: Database) -> None:
    store = DeliveryStore(database)
    store.add(delivery("d1"), record(), NOTHING)
    store.claim("w1", most=1, lease=-1)
    store.renew("w2", lease=60)
    store.renew("w1", lease=60)
    assert store.claim("w2", most=1, lease=60) == []


def test_two_workers_never_have_the_same(database: Database) -> None:
    store = DeliveryStore(database)
    for number in range(40):
        store.add(delivery(f"d{number}"), record(), NOTHING)
    start = threading.Barrier(4)

    def work(worker: str) -> list[str]:
        start.wait(10)
        mine: list[str] = []
        misses = 0
        while misses < 3:
            batch: list[Claimed] = store.claim(worker, most=3, lease=60)
            misses = 0 if batch else misses + 1
            for claimed in batch:
                mine.append(claimed.new.id)
                assert store.finish(claimed, attempt(1), worker=worker, state=DeliveryState.DONE)
        return mine

    with ThreadPoolExecutor(4) as pool:
        taken = [one for mine in pool.map(work, ["a", "b", "c", "d"]) for one in mine]
    assert sorted(taken) == sorted(f"d{number}" for number in range(40))
    assert store.pending() == 0


@pytest.mark.parametrize("commits", [True, False])
def test_the_outbox_is_part_of_the_hosts_transaction(commits: bool, database: Database) -> None:
    store = DeliveryStore(database)
    with Session(database.engine) as session:
        store.add(delivery("d1"), record(delivery="d1"), services(session=session))
        assert store.pending() == 0
        (session.commit if commits else session.rollback)()
    assert store.pending() == commits
    assert len(list(RecordStore(database).find())) == commits


def test_a_failure_in_the_outbox_leaves_the_hosts_transaction_usable(database: Database) -> None:
    store = DeliveryStore(database)
    with Session(database.engine) as session:
        store.add(delivery("d1"), record(), services(session=session))
        with pytest.raises(sa.exc.IntegrityError):
            store.add(delivery("d1"), record(), services(session=session))
        store.add(delivery("d2"), record(), services(session=session))
        session.commit()
    assert sorted(one.id for one in store.find()) == ["d1", "d2"]


def test_a_host_with_another_database_gets_a_row_in_ours(
    database: Database, tmp_path: Path
) -> None:
    elsewhere = sa.create_engine(f"sqlite:///{tmp_path / 'host.db'}")
    woken: list[Callable[[], None]] = []
    store = DeliveryStore(database, wake=lambda: woken.append(print))
    with Session(elsewhere) as session:
        store.add(delivery("d1"), record(), services(session=session))
        assert store.pending() == 1
        assert len(woken) == 1
    elsewhere.dispose()


def test_savepoints_in_the_hosts_transaction(database: Database) -> None:
    def change(session: Session, number: int) -> None:
        from whenthen.store.tables import revision

        session.execute(sa.delete(revision))
        session.execute(sa.insert(revision).values(id=1, number=number))

    transactions = HostTransactions()
    with Session(database.engine) as session:
        change(session, 7)
        with suppress(KeyError), transactions.savepoint(services(session=session)):
            change(session, 8)
            raise KeyError
        session.commit()
    assert BindingStore(database).revision() == 7
    with transactions.savepoint(NOTHING):
        pass


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("nonsense", "not understood"),
        ("oracle+nothing://x/y", "driver"),
        ("postgresql+psycopg://postgres@127.0.0.1:1/test", "does not answer"),
        ("sqlite:////nowhere/at/all.db", "does not answer"),
    ],
)
def test_a_database_that_cannot_be_opened_says_why(wrong: str, said: str) -> None:
    with pytest.raises(StoreError, match=said):
        open_database(wrong)


def test_a_change_that_is_based_on_an_older_revision_is_refused(database: Database) -> None:
    store = BindingStore(database)
    seen = store.revision()
    store.change(put=[_named("one")], who="ann", based_on=seen)
    with pytest.raises(Refused, match="Somebody else has changed"):
        store.change(put=[_named("two")], who="bob", based_on=seen)
    assert [one.name for one in store.load()[1]] == ["one"]
    assert store.revision() == seen + 1


def test_processes_that_start_at_once_migrate_once(url: str) -> None:
    with closing_all([open_database(url)]) as (database,), database.writing() as connection:
        for table in [*reversed(metadata.sorted_tables), sa.table("whenthen_version")]:
            connection.execute(sa.text(f"DROP TABLE {table.name}"))
    opened: list[Database] = []
    errors: list[Exception] = []

    def start() -> None:
        try:
            opened.append(open_database(url))
        except Exception as error:  # noqa: BLE001  # asserted below
            errors.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with closing_all(opened):
        assert errors == []
        assert [BindingStore(one).revision() for one in opened] == [0] * 4


def test_a_row_that_cannot_be_read_keeps_back_no_other(database: Database) -> None:
    store = BindingStore(database)
    store.change(put=[_named("one"), _named("two")], who="ann")
    table = metadata.tables["whenthen_binding"]
    with database.writing() as connection:
        broken = sa.update(table).where(table.c.name == "one")
        connection.execute(broken.values(data='{"made": "by another version"}'))
    assert [one.name for one in store.load()[1]] == ["two"]


@contextmanager
def closing_all(databases: Sequence[Database]) -> Iterator[Sequence[Database]]:
    """Close every database at the end."""
    try:
        yield databases
    finally:
        for database in databases:
            database.close()


def _named(name: str) -> Binding:
    written = {"name": name, "events": ["op"], "position": "post", "handler": "h", "action": "a"}
    return parse(Binding, written)
