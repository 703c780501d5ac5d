"""What a broken or hostile plugin, or a hostile caller, must not be able to do."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import svcs
from attrs import frozen

import whenthen
from whenthen import (
    Action,
    Effect,
    Engine,
    EventType,
    HandlerModule,
    Outcome,
    OutcomeKind,
    Run,
    hookimpl,
    option,
    parse,
)
from whenthen.binding import Binding
from whenthen.build import Parts, assemble
from whenthen.errors import DeclarationError, Missing

Act = Callable[[Run[Any]], Outcome]


@frozen
class Options:
    """Do what the test wants."""

    text: str = option("A text", template=True, default="", maximum=10)


class Plugin:
    """A handler module `hostile` with one action of each effect."""

    def __init__(self, act: Act) -> None:
        self.act = act

    @hookimpl
    def whenthen_event_types(self) -> list[EventType]:
        return [EventType("attack", "Something is tried.")]

    @hookimpl
    def whenthen_handler_modules(self) -> list[HandlerModule]:
        actions = [Action(one.value, self.act, Options, effect=one) for one in Effect]
        return [HandlerModule("hostile", "Does what it must not.", actions)]


@pytest.fixture
def fired(tmp_path: Path) -> Iterator[Callable[..., tuple[Engine, Parts]]]:
    """Bind an action, fire an event, and return the engine and its parts."""
    opened: list[Engine | Parts] = []

    def fire(
        act: Act, effect: Effect, *, services: svcs.Registry | None = None, **binding: Any
    ) -> tuple[Engine, Parts]:
        url = f"sqlite:///{tmp_path / 'hostile.db'}"
        plugins = {"hostile": Plugin(act)}
        parts = assemble(database_url=url, plugins=plugins, services=services)
        parameters = binding.pop("parameters", {"user": "ann"})
        written = {
            "name": "one", "events": ["attack"], "position": "post", "handler": "hostile",
            "action": effect.value, **binding,
        }  # fmt: skip
        parts.bindings.change(put=[parse(Binding, written)], who="test")
        parts.plan.refresh()
        engine = whenthen.build(database_url=url, plugins=plugins, services=services, executor=None)
        opened.extend([engine, parts])

        @engine.event("attack")
        def operation(**_: object) -> str:
            return "answered"

        assert operation(**parameters) == "answered"
        return engine, parts

    yield fire
    for one in opened:
        if isinstance(one, Engine):
            one.close()
        else:
            one.database.close()


def outcome_of(engine: Engine, parts: Parts) -> tuple[str, str]:
    engine.close()
    ((_, record),) = parts.records.find()
    return record.outcome.value, record.detail


@pytest.mark.parametrize("kind", [OutcomeKind.ABORTED, OutcomeKind.DEFERRED, OutcomeKind.SKIPPED])
def test_an_action_cannot_decide_what_is_not_its_own(fired: Any, kind: OutcomeKind) -> None:
    engine, parts = fired(lambda _: Outcome(kind), Effect.OBSERVE)
    assert outcome_of(engine, parts) == ("failed", "It raised TypeError.")


@pytest.mark.parametrize("error", [asyncio.CancelledError, SystemExit, GeneratorExit])
def test_what_ends_tasks_and_processes_ends_neither_host_nor_worker(
    fired: Any, error: type[BaseException]
) -> None:
    def act(_: Run[Options]) -> Outcome:
        raise error

    engine, parts = fired(act, Effect.OBSERVE)
    assert outcome_of(engine, parts) == ("failed", f"It raised {error.__name__}.")


def test_a_worker_outlives_a_cancellation(fired: Any) -> None:
    def act(_: Run[Options]) -> Outcome:
        raise asyncio.CancelledError

    _, parts = fired(act, Effect.EXTERNAL)
    assert parts.worker.deliver() == 1
    (delivery,) = parts.deliveries.find()
    assert (delivery.state, delivery.detail) == ("waiting", "It raised CancelledError.")


@pytest.mark.parametrize("text", ["\ud800", "a\0b"])
def test_what_no_database_stores_loses_no_delivery_and_no_record(fired: Any, text: str) -> None:
    ran: list[str] = []

    def act(run: Run[Options]) -> Outcome:
        ran.append(run.options.text)
        return Outcome.done(f"Said {text}.")

    _, parts = fired(act, Effect.EXTERNAL, parameters={"user": text}, options={"text": "{action}"})
    parts.worker.deliver()
    assert ran == ["attack"]
    (delivery,) = parts.deliveries.find()
    assert delivery.state == "done"
    assert text not in delivery.detail


def test_a_request_nested_without_end_loses_no_delivery(fired: Any) -> None:
    deep: object = "bottom"
    for _ in range(900):
        deep = [deep]
    _, parts = fired(lambda _: Outcome.done(), Effect.EXTERNAL, parameters={"x": deep})
    assert parts.worker.deliver() == 1
    (delivery,) = parts.deliveries.find()
    assert delivery.state == "done"


def test_an_outcome_that_is_no_text_spoils_only_itself(fired: Any) -> None:
    engine, parts = fired(lambda _: Outcome.done(["x"]), Effect.OBSERVE)  # type: ignore[arg-type]  # hostile
    assert outcome_of(engine, parts) == ("failed", "It raised TypeError.")


def test_one_payload_that_cannot_be_read_holds_up_no_other(fired: Any) -> None:
    engine: Engine
    engine, parts = fired(lambda _: Outcome.done(), Effect.EXTERNAL)

    @engine.event("attack")
    def again() -> None:
        """Do nothing."""

    again()
    from whenthen.store.tables import delivery

    with parts.database.writing() as connection:
        first = connection.execute(sa.select(delivery.c.id)).scalars().first()
        broken = sa.update(delivery).where(delivery.c.id == first)
        connection.execute(broken.values(payload='{"from": "another version"}'))
    assert parts.worker.deliver() == 1
    states = {one.id == first: (one.state, one.detail) for one in parts.deliveries.find()}
    assert states[False][0] == "done"
    assert states[True] == (
        "dead",
        "It cannot be read: was it made by another version of whenthen?",
    )


def test_what_a_tag_becomes_has_no_bounds(fired: Any) -> None:
    texts: list[str] = []

    def act(run: Run[Options]) -> Outcome:
        texts.append(run.options.text)
        return Outcome.done()

    name = "ann" * 20
    engine, parts = fired(
        act, Effect.OBSERVE, parameters={"user": name}, options={"text": "{user}"}
    )
    assert outcome_of(engine, parts)[0] == "done"
    assert texts == [name]


def test_an_action_with_a_secret_option_is_refused() -> None:
    @frozen
    class Secretive:
        password: str = option("A secret", secret=True)

    with pytest.raises(DeclarationError, match="only a resource can have secrets"):
        Action("send", lambda _: Outcome.done(), Secretive, effect=Effect.EXTERNAL)


current: ContextVar[sa.Connection] = ContextVar("current")


@contextmanager
def host_transaction(path: Path) -> Iterator[svcs.Registry]:
    """Offer the connection of a transaction that ends with a rollback, as any host would."""
    database = sa.create_engine(f"sqlite:///{path}")
    registry = svcs.Registry()
    registry.register_factory(sa.Connection, current.get, enter=False)
    with database.connect() as connection:
        transaction = connection.begin()
        token = current.set(connection)
        yield registry
        transaction.rollback()
        current.reset(token)
    database.dispose()


def test_nothing_is_delivered_for_a_rolled_back_call_with_sqlites_own_driver(
    fired: Any, tmp_path: Path
) -> None:
    with host_transaction(tmp_path / "hostile.db") as services:
        _, parts = fired(lambda _: Outcome.done(), Effect.EXTERNAL, services=services)
        assert threading.current_thread().name == "MainThread"
    assert parts.deliveries.find() == []


def test_no_plugin_replaces_what_the_host_itself_offers(tmp_path: Path) -> None:
    class Thief:
        @hookimpl
        def whenthen_services(self, registry: svcs.Registry) -> None:
            registry.register_value(str, "the plugin's")
            registry.register_value(int, 7)

    registry = svcs.Registry()
    registry.register_value(str, "the host's")
    parts = assemble(
        database_url=f"sqlite:///{tmp_path}/thief.db", plugins={"thief": Thief()}, services=registry
    )
    with parts.open_services() as services:
        assert services.service(str) == "the host's"
        assert services.service(int) == 7
        with pytest.raises(Missing, match="offers no float"):
            services.service(float)
    parts.database.close()


def test_a_plugin_that_takes_a_name_takes_nothing_from_its_owner() -> None:
    seen: list[object] = []

    class Owner:
        @hookimpl
        def whenthen_record(self, record: object) -> None:
            seen.append(record)

    from whenthen.plugins import Plugin as Found
    from whenthen.plugins import Plugins

    plugins = Plugins()
    owner, thief = Owner(), Owner()
    plugins.add(Found("observer"), lambda: owner)
    plugins.add(Found("observer"), lambda: thief)
    assert [one.state for one in plugins.found] == ["active", "quarantined"]
    plugins.observe("a record")  # type: ignore[arg-type]  # whatever it is, it is passed on
    assert seen == ["a record"]
