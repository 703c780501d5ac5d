"""Deferred actions: the host's call, the outbox, the worker; and a store that is away."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
import svcs
from attrs import frozen
from sqlalchemy.orm import Session

from whenthen import Action, Effect, Engine, Fact, Outcome, Run, option
from whenthen.configured import Configured
from whenthen.delivery import Worker
from whenthen.delivery.policy import Policy
from whenthen.protocols import DeliveryState, StoredDelivery
from whenthen.services import HostServices
from whenthen.store import database as database_module
from whenthen.store import open_database, tables

if TYPE_CHECKING:
    from core.tests.conftest import Lab

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@frozen
class Say:
    """Say something later."""

    text: str = option("What", template=True, default="{user}")


def later(run: Callable[[Run[Any]], Outcome], **given: Any) -> Action:
    return Action("act", run, options=Say, effect=Effect.EXTERNAL, **given)


def noting_runs(ran: list[int]) -> Callable[[Run[Any]], Outcome]:
    def run(_: Run[Any]) -> Outcome:
        ran.append(1)
        return Outcome.done()

    return run


def worker_of(lab: Lab, engine: Engine, **given: Any) -> Worker:
    configured: Configured = engine.ports.configured
    return Worker(
        lab.deliveries(engine), configured, lambda: HostServices.of(svcs.Registry()), **given
    )


def fire(engine: Engine, **given: object) -> None:
    @engine.event("op")
    def operation(**_: object) -> None:
        """Do nothing."""

    operation(**given)


def only(lab: Lab, engine: Engine) -> StoredDelivery:
    (found,) = lab.deliveries(engine).find()
    return found


def overdue(engine: Engine, **columns: object) -> None:
    """Make what waits due now, as if the time had passed."""
    store: Any = engine.ports.outbox
    with store.database.writing() as connection:
        past = datetime.now(UTC) - timedelta(seconds=1)
        connection.execute(sa.update(tables.delivery).values(due=past, **columns))


def test_a_deferred_action_runs_later_with_what_was_known_at_the_event(lab: Lab) -> None:
    runs: list[Run[Say]] = []
    number = [1]

    def run(run: Run[Say]) -> Outcome:
        runs.append(run)
        return Outcome.done(run.options.text)

    engine = lab.build(
        later(run, facts=["later"], prepare=lambda _: {"address": "a@b", "at": NOW}),
        facts=[Fact("later", int, lambda _: number[0])], secrets=["pin"],
    )  # fmt: skip
    lab.bind(engine, lab.binding(options={"text": "{user} {fact:later}"}))
    fire(engine, user="ann", pin="hunter2", response="x")
    assert runs == []
    number[0] = 2
    assert worker_of(lab, engine).deliver() == 1
    (run_,) = runs
    assert run_.options.text == "ann 1"
    assert run_.need("later") == 1
    assert run_.prepared == {"address": "a@b", "at": NOW.isoformat()}
    assert run_.event.request.parameters["pin"] == "********"
    found = only(lab, engine)
    assert (found.state, found.detail) == (DeliveryState.DONE, "ann 1")
    assert run_.delivery is not None
    assert run_.delivery.id == found.id
    (record,) = lab.records(engine)
    assert (record.outcome, record.delivery) == ("deferred", found.id)


def test_a_secret_named_like_a_member_of_the_event_does_not_spoil_it(lab: Lab) -> None:
    seen: list[object] = []

    def run(run: Run[Say]) -> Outcome:
        seen.append(run.event.request.parameters)
        return Outcome.done()

    engine = lab.build(later(run), secrets=["response", "time", "user"])
    lab.bind(engine, lab.binding(options={"text": ""}))
    fire(engine, user="ann", response="hunter2", other=1)
    worker_of(lab, engine).deliver()
    assert seen == [{"user": "********", "response": "********", "other": 1}]


def test_retried_under_one_id_then_given_up(lab: Lab) -> None:
    attempts: list[tuple[str, int]] = []

    def run(run: Run[Say]) -> Outcome:
        assert run.delivery is not None
        attempts.append((run.delivery.id, run.delivery.attempt))
        raise ConnectionError("hunter2")

    engine = lab.build(later(run))
    lab.bind(engine, lab.binding())
    fire(engine)
    worker = worker_of(lab, engine, policy=Policy(attempts=3))
    for number in (1, 2, 3):
        assert worker.deliver() == 1
        assert worker.deliver() == 0  # it is not due again yet, or dead
        state = DeliveryState.DEAD if number == 3 else DeliveryState.WAITING
        assert only(lab, engine).state is state
        if number < 3:
            overdue(engine)
    assert [number for _, number in attempts] == [1, 2, 3]
    assert len({identifier for identifier, _ in attempts}) == 1
    found, tries = lab.deliveries(engine).get(attempts[0][0])
    assert [(one.number, one.outcome, one.error) for one in tries] == [
        (number, "failed", "ConnectionError") for number in (1, 2, 3)
    ]
    assert "hunter2" not in repr((found, tries))


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (Outcome.done(), DeliveryState.DONE),
        (Outcome.failed("No.", permanent=True), DeliveryState.DEAD),
        (Outcome.unknown("Nobody."), DeliveryState.DEAD),
        (Outcome.failed("Later."), DeliveryState.WAITING),
        (None, DeliveryState.WAITING),
    ],
)
def test_what_becomes_of_a_delivery(outcome: Outcome, state: DeliveryState, lab: Lab) -> None:
    engine = lab.build(later(lambda _: outcome))
    lab.bind(engine, lab.binding())
    fire(engine)
    worker_of(lab, engine).deliver()
    assert only(lab, engine).state is state


def test_too_late_it_is_not_run(lab: Lab) -> None:
    ran: list[int] = []
    engine = lab.build(later(noting_runs(ran), fresh_for=60.0))
    lab.bind(engine, lab.binding())
    fire(engine)
    overdue(engine, created=datetime.now(UTC) - timedelta(seconds=61))
    worker_of(lab, engine).deliver()
    found = only(lab, engine)
    assert (ran, found.state) == ([], DeliveryState.DEAD)
    assert "too late" in found.detail


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 5), (2, 10), (3, 20), (9, 1280)])
def test_the_policy_backs_off_with_jitter(attempt: int, seconds: float) -> None:
    pauses = {
        (due - NOW).total_seconds()
        for _ in range(50)
        if (due := Policy().next_try(attempt, NOW, until=NOW + timedelta(days=1)))
    }
    assert all(0.8 * seconds <= pause <= 1.2 * seconds for pause in pauses)
    assert len(pauses) > 1


def test_the_policy_gives_up_and_heeds_hints() -> None:
    policy, day = Policy(), NOW + timedelta(days=1)
    assert policy.next_try(10, NOW, until=day) is None
    assert policy.next_try(1, NOW, until=NOW + timedelta(seconds=1)) is None
    assert policy.next_try(1, NOW, until=day, hint=600) == NOW + timedelta(seconds=600)
    assert Policy(attempts=99).next_try(60, NOW, until=day) is not None


@pytest.mark.parametrize("commits", [True, False])
def test_delivered_only_after_the_hosts_commit(commits: bool, lab: Lab) -> None:
    ran: list[int] = []
    database = open_database(lab.url)
    with Session(database.engine) as session:
        offered = svcs.Registry()
        offered.register_value(Session, session)
        engine = lab.build(later(noting_runs(ran)), services=offered)
        lab.bind(engine, lab.binding())
        fire(engine)
        worker = worker_of(lab, engine)
        assert lab.deliveries(engine).pending() == 0
        (session.commit if commits else session.rollback)()
    assert worker.deliver() == commits
    assert ran == [1] * commits
    assert lab.outcomes(engine) == [("one", "deferred")] * commits
    database.close()


def test_the_embedded_executor_delivers(lab: Lab) -> None:
    delivered = threading.Event()

    def run(_: Run[Say]) -> Outcome:
        delivered.set()
        return Outcome.done()

    engine = lab.build(later(run), executor="embedded")
    lab.bind(engine, lab.binding())
    fire(engine)
    assert delivered.wait(20)


def test_two_workers_deliver_each_once(lab: Lab) -> None:
    seen: list[str] = []

    def run(run: Run[Say]) -> Outcome:
        assert run.delivery is not None
        seen.append(run.delivery.id)
        return Outcome.done()

    engine = lab.build(later(run))
    lab.bind(engine, lab.binding())
    for _ in range(25):
        fire(engine)
    workers = [worker_of(lab, engine) for _ in range(2)]
    threads = [
        threading.Thread(target=lambda worker=worker: [None for _ in iter(worker.deliver, 0)])
        for worker in workers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(seen) == len(set(seen)) == 25


def test_a_locked_database_does_not_break_the_call(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "_BUSY_SECONDS", 0.2)
    observe = Action("look", lambda _: Outcome.done(), effect=Effect.OBSERVE)
    engine = lab.build(later(lambda _: Outcome.done()), observe)
    lab.bind(engine, lab.binding("1"), lab.binding("2", action="look"))
    holder = sqlite3.connect(lab.url.removeprefix("sqlite:///"), isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        fire(engine)  # returns
    finally:
        holder.execute("ROLLBACK")
        holder.close()
    first, second = lab.records(engine)
    assert (first.binding, first.outcome, first.error) == ("1", "failed", "StoreError")
    assert (second.binding, second.outcome) == ("2", "done")
    assert lab.deliveries(engine).pending() == 0


def test_while_the_database_is_away_the_last_bindings_stay(lab: Lab) -> None:
    observe = Action("act", lambda _: Outcome.done(), effect=Effect.OBSERVE)
    engine = lab.build(observe)
    lab.bind(engine, lab.binding())
    path = lab.url.removeprefix("sqlite:///")
    moved = ("whenthen_revision", "whenthen_record")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for table in moved:
            connection.execute(f"ALTER TABLE {table} RENAME TO away_{table}")
        assert list(lab.refresh(engine).compiled) == ["one"]
        fire(engine)
        for table in moved:
            connection.execute(f"ALTER TABLE away_{table} RENAME TO {table}")
    assert lab.outcomes(engine) == [("one", "done")]


def test_a_delivery_that_kills_its_workers_is_given_up_without_another_run(lab: Lab) -> None:
    ran: list[int] = []
    engine = lab.build(later(noting_runs(ran)))
    lab.bind(engine, lab.binding())
    fire(engine)
    # As if each of the workers before had died with it in hand: claimed, and never finished.
    overdue(engine, attempts=3, state=DeliveryState.RUNNING, worker="dead")
    worker_of(lab, engine, policy=Policy(attempts=3)).deliver()
    assert ran == []
    found = only(lab, engine)
    assert found.state is DeliveryState.DEAD
    assert "never ended" in found.detail


def test_what_was_delivered_keeps_no_payload(lab: Lab) -> None:
    engine = lab.build(later(noting_runs([])))
    lab.bind(engine, lab.binding())
    fire(engine, user="ann-with-a-code")
    store: Any = engine.ports.outbox
    with store.database.reading() as connection:
        payload = connection.execute(sa.select(tables.delivery.c.payload)).scalar_one()
        assert "ann-with-a-code" in payload
    worker_of(lab, engine).deliver()
    with store.database.reading() as connection:
        assert connection.execute(sa.select(tables.delivery.c.payload)).scalar_one() == "{}"


def test_a_secret_parameter_gets_into_no_template(lab: Lab) -> None:
    texts: list[str] = []

    def run(run: Run[Say]) -> Outcome:
        texts.append(run.options.text)
        return Outcome.done()

    engine = lab.build(later(run), secrets=["pin"])
    text = "{fact:request.parameters.pin}|{fact:request.parameters.user}"
    lab.bind(engine, lab.binding(options={"text": text}))
    fire(engine, user="ann", pin="hunter2")
    worker_of(lab, engine).deliver()
    assert texts == ["|ann"]
