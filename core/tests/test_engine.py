"""The way of an event through real engines: order, effects, failures, limits, records."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
import svcs
from attrs import define, field, frozen
from sqlalchemy.orm import Session

from whenthen import (
    REMOVED,
    Aborted,
    Action,
    Change,
    DeclarationError,
    Effect,
    Engine,
    Event,
    Fact,
    Missing,
    Outcome,
    OutcomeKind,
    Position,
    Run,
    Scope,
    Unavailable,
    option,
)
from whenthen.hosts import FunctionAdapter
from whenthen.outcome import Outcome as _Outcome
from whenthen.store import open_database

if TYPE_CHECKING:
    from core.tests.conftest import Lab


def action(run: Callable[[Run[Any]], Outcome], effect: Effect = Effect.OBSERVE, name: str = "act",
           **given: Any) -> Action:  # fmt: skip
    return Action(name, run, effect=effect, **given)


def operation_of(engine: Engine, body: Callable[..., Any] = lambda **given: given) -> Any:
    """Return a function of the host that is the event type `op`."""

    @engine.event("op")
    def operation(*args: Any, **given: Any) -> Any:
        return body(*args, **given)

    return operation


def raising(error: BaseException) -> Callable[[Run[Any]], Outcome]:
    def run(_: Run[Any]) -> Outcome:
        raise error

    return run


def noting_runs(ran: list[int]) -> Callable[[Run[Any]], Outcome]:
    def run(_: Run[Any]) -> Outcome:
        ran.append(1)
        return Outcome.done()

    return run


def done(_: Run[Any]) -> Outcome:
    return Outcome.done("It is done.")


@frozen
class Label:
    """Say something."""

    text: str = option("What", default="", template=True)


def test_bindings_run_in_order_then_by_name_around_the_operation(lab: Lab) -> None:
    said: list[str] = []

    def say(run: Run[Label]) -> Outcome:
        said.append(f"{run.event.position} {run.options.text}")
        return Outcome.done()

    engine = lab.build(action(say, options=Label))
    for name, order, position in (
        ("b", 5, "pre"), ("a", 5, "pre"), ("c", -1, "pre"), ("z", 0, "post"), ("y", 1, "post"),
        ("x", 0, "error"),
    ):  # fmt: skip
        lab.bind(engine, lab.binding(name, order=order, position=position, options={"text": name}))

    assert operation_of(engine, lambda: said.append("operation"))() is None
    assert said == ["pre c", "pre a", "pre b", "operation", "post z", "post y"]
    said.clear()
    with pytest.raises(KeyError):
        operation_of(engine, lambda: dict[str, int]()["x"])()
    assert said == ["pre c", "pre a", "pre b", "error x"]
    records = lab.records(engine)
    assert [record.binding for record in records[-4:]] == ["c", "a", "b", "x"]
    assert len({record.event for record in records[-4:]}) == 1
    assert len({record.event for record in records}) == 2


def test_async_functions(lab: Lab) -> None:
    said: list[str] = []

    def say(run: Run[Any]) -> Outcome:
        said.append(str(run.event.position))
        return Outcome.done()

    engine = lab.build(action(say))
    for position in Position:
        lab.bind(engine, lab.binding(f"at-{position}", position=position.value))

    @engine.event("op")
    async def operation(*, fails: bool) -> str:
        await asyncio.sleep(0)
        said.append("operation")
        if fails:
            raise KeyError("x")
        return "value"

    assert asyncio.run(operation(fails=False)) == "value"
    with pytest.raises(KeyError):
        asyncio.run(operation(fails=True))
    assert said == ["pre", "operation", "post", "pre", "operation", "error"]


@define
class CountingAdapter(FunctionAdapter):
    built: list[str] = field(factory=list)

    def event(self, event_type: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Event:
        self.built.append(event_type)
        return super().event(event_type, args, kwargs)


def test_without_a_binding_nothing_is_built(lab: Lab) -> None:
    adapter = CountingAdapter()
    engine = lab.build(action(done), adapter=adapter)
    operation = operation_of(engine, lambda *args, **given: (args, given))
    assert operation(1, a=2) == ((1,), {"a": 2})
    lab.bind(engine, lab.binding(events=["other"]), lab.binding("off", active=False))
    operation()
    assert adapter.built == []
    lab.bind(engine, lab.binding("on"))
    operation()
    assert adapter.built == ["op"]


def test_an_event_type_that_nobody_declares(lab: Lab) -> None:
    with pytest.raises(DeclarationError, match="'opp'"):
        lab.build().event("opp")


@frozen
class Set:
    """Set one value."""

    name: str = option("Which")
    value: object = option("To what", default=None)
    request: bool = option("Whether of the request", default=False)
    remove: bool = option("Whether to take it away", default=False)


def put(run: Run[Set]) -> Outcome:
    chosen = run.options
    value = REMOVED if chosen.remove else chosen.value
    return Outcome.done("", Change(chosen.name, value, request=chosen.request))


PUT = action(put, Effect.MODIFY, options=Set)


def test_modify_before_the_operation_changes_its_arguments_by_value(lab: Lab) -> None:
    engine = lab.build(PUT)
    change = {"name": "a", "value": 2, "request": True}
    drop = {"name": "b", "remove": True, "request": True}
    lab.bind(engine, lab.binding("1", position="pre", options=change),
             lab.binding("2", position="pre", options=drop))  # fmt: skip
    given = {"a": 1, "b": 1, "c": 1}
    assert operation_of(engine)(**given) == {"a": 2, "c": 1}
    assert given == {"a": 1, "b": 1, "c": 1}


def test_modify_after_the_operation_changes_its_result_by_value(lab: Lab) -> None:
    engine = lab.build(PUT)
    lab.bind(engine, lab.binding("1", options={"name": "detail/pin", "value": "x"}),
             lab.binding("2", options={"name": "gone", "remove": True}))  # fmt: skip
    result: dict[str, object] = {"detail": {"serial": "S"}, "gone": 1}
    changed = operation_of(engine, lambda: result)()
    assert changed == {"detail": {"serial": "S", "pin": "x"}}
    assert result == {"detail": {"serial": "S"}, "gone": 1}


def test_a_plain_result_can_be_changed(lab: Lab) -> None:
    engine = lab.build(PUT)
    lab.bind(engine, lab.binding(options={"name": "result/value", "value": 2}))
    assert operation_of(engine, lambda: 1)() == 2


def test_later_bindings_see_what_earlier_ones_changed(lab: Lab) -> None:
    engine = lab.build(PUT)
    conditions = [{"result_value": False}]
    lab.bind(
        engine,
        lab.binding("1", options={"name": "result/value", "value": False}),
        lab.binding("2", conditions=conditions, options={"name": "seen", "value": True}),
        lab.binding("0", conditions=conditions, options={"name": "early", "value": True}),
    )
    assert operation_of(engine, lambda: {"result": {"value": True}})() == {
        "result": {"value": False}, "seen": True,
    }  # fmt: skip
    assert lab.outcomes(engine) == [("0", "not_met"), ("1", "done"), ("2", "done")]


def test_a_change_that_cannot_be_made_aborts_and_changes_nothing(lab: Lab) -> None:
    engine = lab.build(PUT)
    lab.bind(engine, lab.binding(position="pre", options={"name": "a/b", "value": 1}))
    ran: list[int] = []
    with pytest.raises(Aborted):
        operation_of(engine, lambda **_: ran.append(1))(a=1)
    assert ran == []


class HostileError(Exception):
    """Carries a secret in its text, and no text at all."""

    def __str__(self) -> str:
        return "hunter2"


FAILURES: list[tuple[Callable[[Run[Any]], Any], str]] = [
    (raising(HostileError("hunter2")), "HostileError"),
    (raising(SystemExit("hunter2")), "SystemExit"),
    (raising(AssertionError("hunter2")), "AssertionError"),
    (lambda _: None, "TypeError"),
    (lambda _: "hunter2", "TypeError"),
    (lambda _: Outcome.failed("It did not work."), ""),
    (lambda _: Outcome.done("", Change("x", "hunter2")), ""),
]


@pytest.mark.parametrize("effect", [Effect.OBSERVE, Effect.LOCAL, Effect.EXTERNAL])
@pytest.mark.parametrize(("run", "error"), FAILURES)
def test_a_failing_action_never_breaks_the_call(
    run: Callable[[Run[Any]], Outcome], error: str, effect: Effect, lab: Lab
) -> None:
    engine = lab.build(action(run, effect), action(done, name="next"))
    mode = {"mode": "inline"} if effect is Effect.EXTERNAL else {}
    lab.bind(engine, lab.binding("1", **mode), lab.binding("2", action="next"))
    assert operation_of(engine)(a=1) == {"a": 1}
    first, second = lab.records(engine)
    assert (first.outcome, first.error) == (OutcomeKind.FAILED, error)
    assert "hunter2" not in repr(first)
    assert second.outcome is OutcomeKind.DONE


@pytest.mark.parametrize(("run", "error"), FAILURES)
def test_abort_before_the_operation_keeps_it_from_running(
    run: Callable[[Run[Any]], Outcome], error: str, lab: Lab
) -> None:
    engine = lab.build(action(run), action(done, name="next"))
    lab.bind(
        engine, lab.binding("1", position="pre", on_error="abort"),
        lab.binding("0", action="next", position="pre"),
        lab.binding("2", action="next", position="pre"), lab.binding("3", action="next"),
    )  # fmt: skip
    ran: list[int] = []
    with pytest.raises(Aborted) as caught:
        operation_of(engine, lambda: ran.append(1))()
    assert ran == []
    assert caught.value.binding == "1"
    assert "hunter2" not in str(caught.value)
    assert lab.outcomes(engine) == [("0", "done"), ("1", "aborted")]
    assert lab.records(engine)[1].error == error


def test_modify_aborts_unless_it_says_continue(lab: Lab) -> None:
    engine = lab.build(action(raising(ValueError()), Effect.MODIFY))
    lab.bind(engine, lab.binding())
    with pytest.raises(Aborted):
        operation_of(engine)()
    lab.bind(engine, lab.binding(on_error="continue"))
    assert operation_of(engine)() == {}
    assert lab.outcomes(engine) == [("one", "aborted"), ("one", "failed")]


def test_unknown_with_error_counts_as_a_failure(lab: Lab) -> None:
    engine = lab.build(action(done))
    conditions = [{"realm": "a", "when_unknown": "error"}]
    lab.bind(engine, lab.binding(conditions=conditions))
    assert operation_of(engine)() == {}
    lab.bind(engine, lab.binding(conditions=conditions, on_error="abort"))
    with pytest.raises(Aborted):
        operation_of(engine)()
    assert lab.outcomes(engine) == [("one", "failed"), ("one", "aborted")]


def test_an_action_that_hangs_is_left_behind(lab: Lab) -> None:
    release = threading.Event()

    def hang(_: Run[Any]) -> Outcome:
        release.wait(60)
        return Outcome.done()

    engine = lab.build(action(hang, time_limit=0.1))
    lab.bind(engine, lab.binding())
    try:
        assert operation_of(engine)() == {}
    finally:
        release.set()
    (record,) = lab.records(engine)
    assert (record.outcome, record.error) == (OutcomeKind.FAILED, "OverrunError")


def test_when_the_budget_is_spent_the_rest_is_skipped(lab: Lab) -> None:
    release = threading.Event()
    engine = lab.build(action(lambda _: Outcome.done(str(release.wait(60)))), budget=0.1)
    lab.bind(engine, lab.binding("1", position="pre"), lab.binding("2"))
    try:
        assert operation_of(engine)() == {}
    finally:
        release.set()
    assert lab.outcomes(engine) == [("1", "failed"), ("2", "skipped")]


def test_missing_and_unavailable_have_outcomes_of_their_own(lab: Lab) -> None:
    engine = lab.build(
        action(raising(Missing("No token."))),
        action(raising(Unavailable("Away.")), name="away"),
        action(lambda _: Outcome.unknown("Nobody."), name="nobody"),
    )
    lab.bind(engine, lab.binding("1"), lab.binding("2", action="away"),
             lab.binding("3", action="nobody"))  # fmt: skip
    operation_of(engine)()
    assert [(r.outcome.value, r.detail) for r in lab.records(engine)] == [
        ("unknown", "No token."), ("unavailable", "Away."), ("unknown", "Nobody."),
    ]  # fmt: skip


def test_what_does_not_fire_is_recorded_with_its_reason(lab: Lab) -> None:
    ran: list[int] = []
    engine = lab.build(action(noting_runs(ran)))
    lab.bind(engine, lab.binding("no", conditions=[{"result_value": True}]),
             lab.binding("who-knows", conditions=[{"not": {"realm": "a"}}]))  # fmt: skip
    operation_of(engine, lambda: False)()
    no, unknown = lab.records(engine)
    assert ran == []
    assert (no.outcome, no.findings[0].clause) == (OutcomeKind.NOT_MET, "result_value: true")
    assert unknown.outcome is OutcomeKind.UNKNOWN
    assert "TokenStore" in unknown.findings[0].children[0].reason


@pytest.mark.parametrize("value", ["all", "post", "one", "x, one ,y"])
def test_the_bypass_passes_over_and_is_recorded(
    value: str, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHENTHEN_DISABLE", value)
    engine = lab.build(action(raising(ValueError())))
    lab.bind(engine, lab.binding(on_error="abort"))
    assert operation_of(engine)() == {}
    (record,) = lab.records(engine)
    assert (record.outcome, record.detail) == (
        OutcomeKind.SKIPPED, "Bypassed by WHENTHEN_DISABLE.",
    )  # fmt: skip


@pytest.mark.parametrize("value", ["pre", "on", "ones", ""])
def test_the_bypass_of_others_changes_nothing(
    value: str, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHENTHEN_DISABLE", value)
    engine = lab.build(action(done))
    lab.bind(engine, lab.binding())
    operation_of(engine)()
    assert lab.outcomes(engine) == [("one", "done")]


@pytest.mark.parametrize("effect", [Effect.OBSERVE, Effect.LOCAL])
def test_an_action_triggers_no_event(effect: Effect, lab: Lab) -> None:
    def again(_: Run[Any]) -> Outcome:
        return Outcome.done(str(operation(a=1)))

    engine = lab.build(action(again, effect))
    operation = operation_of(engine)
    lab.bind(engine, lab.binding())
    operation()
    operation()  # and afterwards the host's calls are events again
    assert lab.outcomes(engine) == [("one", "done"), ("one", "done")]
    assert lab.records(engine)[0].detail == "{'a': 1}"


def test_a_fact_and_what_a_deferred_action_prepares_trigger_no_event(lab: Lab) -> None:
    calls: list[str] = []

    def ask(_: Scope) -> int:
        calls.append("fact")
        operation()
        return 1

    def prepare(_: Run[Any]) -> dict[str, object]:
        calls.append("prepare")
        operation()
        return {}

    engine = lab.build(
        action(done, Effect.EXTERNAL, prepare=prepare), facts=[Fact("asks", int, ask)]
    )
    operation = operation_of(engine)
    lab.bind(engine, lab.binding(conditions=[{"fact": {"asks": 1}}]))
    operation()
    assert calls == ["fact", "prepare"]


def test_a_change_in_the_store_comes_into_force(lab: Lab) -> None:
    engine = lab.build(action(done))
    operation = operation_of(engine)
    store = lab.store(engine)
    store.change(put=[lab.binding()], who="x")
    lab.refresh(engine)
    operation()
    store.set_active("one", False, who="x")
    lab.refresh(engine)
    operation()
    store.set_active("one", True, who="x")
    lab.refresh(engine)
    operation()
    assert lab.outcomes(engine) == [("one", "done")] * 2


def test_a_binding_whose_action_is_gone_is_unavailable_and_stays(lab: Lab) -> None:
    first = lab.build(action(done))
    lab.bind(first, lab.binding())
    engine = lab.build(action(done, name="another"))
    assert operation_of(engine)() == {}
    (record,) = lab.records(engine)
    assert record.outcome is OutcomeKind.UNAVAILABLE
    assert "no action 'act'" in record.detail
    assert lab.store(engine).get("one").action == "act"


def test_fire_takes_an_event_that_the_host_built(lab: Lab) -> None:
    engine = lab.build(PUT)
    event = Event("op", Position.PRE)
    assert engine.fire(event) is event
    lab.bind(
        engine,
        lab.binding(position="pre", options={"name": "a", "value": 1, "request": True}),
    )
    assert engine.fire(event).request.parameters == {"a": 1}
    assert event.request.parameters == {}


def test_observers_see_every_record_and_cannot_break_anything(lab: Lab) -> None:
    from types import SimpleNamespace

    from whenthen import Record, hookimpl

    seen: list[str] = []

    @hookimpl
    def whenthen_record(record: Record) -> None:
        seen.append(f"{record.binding} {record.outcome}")
        raise SystemExit("hunter2")

    observer = SimpleNamespace(whenthen_record=whenthen_record)
    engine = lab.build(
        action(done), action(done, Effect.EXTERNAL, name="later"), plugins={"observer": observer}
    )
    lab.bind(engine, lab.binding("1"), lab.binding("2", action="later"))
    assert operation_of(engine)() == {}
    assert seen == ["1 done", "2 deferred"]


notes = sa.Table("note", sa.MetaData(), sa.Column("text", sa.String(50)))


@pytest.fixture
def session(lab: Lab) -> Iterator[Session]:
    """The host's session, on the host's own table in the same database."""
    database = open_database(lab.url)
    notes.metadata.create_all(database.engine)
    with Session(database.engine) as session:
        yield session
    database.close()


def offering(session: Session) -> svcs.Registry:
    registry = svcs.Registry()
    registry.register_value(Session, session)
    return registry


def noted(session: Session) -> list[str]:
    return sorted(session.execute(sa.select(notes.c.text)).scalars())


def noting(then: Callable[[], _Outcome]) -> Callable[[Run[Any]], Outcome]:
    def run(run: Run[Any]) -> Outcome:
        run.service(Session).execute(sa.insert(notes).values(text="action"))
        return then()

    return run


def fail() -> Outcome:
    raise HostileError


@pytest.mark.parametrize(
    ("then", "kept"),
    [
        (Outcome.done, True),
        (fail, False),
        (lambda: Outcome.failed("No."), False),
        (lambda: Outcome.unknown("No token."), False),
        (lambda: None, False),
        (lambda: Outcome.done("", Change("x", 1)), False),
    ],
)
def test_a_local_action_is_kept_or_undone_and_the_hosts_work_stays(
    then: Callable[[], Outcome], kept: bool, lab: Lab, session: Session
) -> None:
    engine = lab.build(action(noting(then), Effect.LOCAL), services=offering(session))
    lab.bind(engine, lab.binding())

    def work() -> None:
        session.execute(sa.insert(notes).values(text="host"))

    operation_of(engine, work)()
    session.execute(sa.insert(notes).values(text="after"))
    session.commit()

    assert noted(session) == (["action", "after", "host"] if kept else ["after", "host"])


def test_what_a_local_action_did_goes_with_the_hosts_rollback(lab: Lab, session: Session) -> None:
    engine = lab.build(action(noting(Outcome.done), Effect.LOCAL), services=offering(session))
    lab.bind(engine, lab.binding())
    operation_of(engine, lambda: None)()
    session.rollback()
    assert noted(session) == []
    assert lab.outcomes(engine) == [("one", "done")]
