"""The way of an event: plan, event, facts, verdict, act, record.

Read `Engine.event` for the way through a host's call, `_Firing.one` for the way through a binding,
and `_Firing.act` for what an action's effect means.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar, cast

import attrs
from attrs import define, field, frozen

from whenthen.acting import acting, guarded, perform, prepared
from whenthen.changes import changed
from whenthen.configured import Configured
from whenthen.declare import Action, Effect
from whenthen.environment import LiveEnvironment, snapshot
from whenthen.errors import Aborted, DeclarationError
from whenthen.event import Event, Position, new_id
from whenthen.facts import Facts
from whenthen.limits import Budget
from whenthen.outcome import Outcome, OutcomeKind
from whenthen.plan import Compiled, Plan
from whenthen.protocols import Adapter, NewDelivery, Outbox, RecordSink, Transactions
from whenthen.record import Finding, Record, Verdict
from whenthen.registry import Registry
from whenthen.run import Run, Services
from whenthen.verdict import UnknownClauseError, evaluate

__all__ = ["Engine"]

F = TypeVar("F", bound=Callable[..., Any])
_Places = Mapping[Position, tuple[Compiled, ...]]


class CurrentPlan(Protocol):
    """Holds the plan that is in force; somebody else looks after its freshness."""

    @property
    def plan(self) -> Plan:
        """The plan in force."""

    def close(self) -> None:
        """Stop looking after it."""


@frozen
class Engine:
    """Fires the bindings of a host's events. Made by `whenthen.build()`."""

    registry: Registry
    configured: Configured
    current: CurrentPlan
    sink: RecordSink
    outbox: Outbox
    transactions: Transactions
    open_services: Callable[[], AbstractContextManager[Services]]
    adapter: Adapter
    bypass: frozenset[str] = frozenset()
    budget: float = 5.0
    on_close: Callable[[], None] = field(default=lambda: None, repr=False)

    def event(self, event_type: str, *, adapter: Adapter | None = None) -> Callable[[F], F]:
        """Mark a function, plain or `async`, as the operation of an event type.

        Args:
            event_type: one that a plugin declares in the hook `whenthen_event_types`.
            adapter: how its calls become events; by default the engine's own.

        Raises:
            DeclarationError: nobody declares the event type.
        """
        if event_type not in self.registry.event_types:
            raise DeclarationError(
                f"No plugin declares the event type {event_type!r}. "
                "Declare it in the hook whenthen_event_types, so that it can be bound."
            )
        used = adapter or self.adapter

        def decorate(function: F) -> F:
            wrap = self._async if inspect.iscoroutinefunction(function) else self._plain
            return cast("F", functools.wraps(function)(wrap(event_type, used, function)))

        return decorate

    def _plain(self, event_type: str, adapter: Adapter, function: Callable[..., Any]) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            places = self.current.plan.places.get(event_type)
            if places is None or acting.get():
                return function(*args, **kwargs)
            with self.open_services() as services:
                passage = _Passage(self, places, adapter, services)
                args, kwargs = passage.before(event_type, args, kwargs)
                try:
                    result = function(*args, **kwargs)
                except Exception as error:
                    passage.raised(error)
                    raise
                return passage.returned(result)

        return call

    def _async(
        self, event_type: str, adapter: Adapter, function: Callable[..., Awaitable[Any]]
    ) -> Any:
        async def call(*args: Any, **kwargs: Any) -> Any:
            places = self.current.plan.places.get(event_type)
            if places is None or acting.get():
                return await function(*args, **kwargs)
            # Facts and actions may wait for a database, so they run beside the event loop.
            with self.open_services() as services:
                passage = _Passage(self, places, adapter, services)
                args, kwargs = await asyncio.to_thread(passage.before, event_type, args, kwargs)
                try:
                    result = await function(*args, **kwargs)
                except Exception as error:
                    await asyncio.to_thread(passage.raised, error)
                    raise
                return await asyncio.to_thread(passage.returned, result)

        return call

    def fire(self, event: Event) -> Event:
        """Run the bindings of an event that the host built itself; return the event as changed.

        Raises:
            Aborted: a binding with `on_error: abort` failed.
        """
        bindings = self.current.plan.places.get(event.type, {}).get(event.position, ())
        if not bindings or acting.get():
            return event
        with self.open_services() as services:
            return _fire(self, event, bindings, services, Budget(self.budget))

    def close(self) -> None:
        """Write what is buffered and stop the threads; call it when the host ends."""
        self.current.close()
        self.on_close()


@define
class _Passage:
    """One call of the host on its way through `pre`, the operation, and `post` or `error`."""

    engine: Engine
    places: _Places
    adapter: Adapter
    services: Services
    event: Event = field(init=False)
    budget: Budget = field(init=False)

    def before(
        self, event_type: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        self.budget = Budget(self.engine.budget)
        self.event = self.adapter.event(event_type, args, kwargs)
        original = self.event.request
        self.event = self._fire(self.event)
        if self.event.request is original:
            return args, kwargs
        return self.adapter.call(self.event, args, kwargs)

    def returned(self, result: Any) -> Any:
        if Position.POST not in self.places:
            return result
        event = self.adapter.returned(self.event, result)
        fired = self._fire(event)
        return result if fired.response is event.response else self.adapter.result(fired, result)

    def raised(self, error: Exception) -> None:
        if Position.ERROR in self.places:
            self._fire(self.adapter.raised(self.event, error))

    def _fire(self, event: Event) -> Event:
        bindings = self.places.get(event.position, ())
        return _fire(self.engine, event, bindings, self.services, self.budget)


def _fire(
    engine: Engine,
    event: Event,
    bindings: tuple[Compiled, ...],
    services: Services,
    budget: Budget,
) -> Event:
    """Run bindings in order; each sees what those before it changed. Their records are kept."""
    firing = _Firing(engine, event, services, budget)
    try:
        for compiled in bindings:
            firing.one(compiled)
    finally:
        engine.sink.write(firing.records)
    return firing.event


@define
class _Firing:
    """The bindings of one event at one position."""

    engine: Engine
    event: Event
    services: Services
    budget: Budget
    facts: Facts = field(init=False)
    records: list[Record] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        self._look_again()

    def _look_again(self) -> None:
        """Forget the facts: something was changed."""
        self.facts = Facts(self.event, self.engine.registry, self.services)

    def one(self, compiled: Compiled) -> None:
        """Take one binding from its verdict to its record."""
        started = time.perf_counter()
        outcome, findings = self.decide(compiled)
        environment = self._environment(compiled)
        error = delivery = ""
        if outcome is None:
            if compiled.deferred:
                delivery = new_id()
                outcome, error = guarded(
                    lambda: self.defer(compiled, environment, delivery, findings)
                )
            else:
                outcome, error = guarded(lambda: self.act(compiled, environment))
        if outcome.kind is OutcomeKind.DEFERRED:
            return
        if compiled.aborts and outcome.kind is OutcomeKind.FAILED:
            outcome = attrs.evolve(outcome, kind=OutcomeKind.ABORTED)
        duration = time.perf_counter() - started
        self.records.append(
            self.record(compiled, outcome, findings, environment, duration, error=error)
        )
        if outcome.kind is OutcomeKind.ABORTED:
            raise Aborted(compiled.binding.name, self.event.type, outcome.detail)

    def decide(self, compiled: Compiled) -> tuple[Outcome | None, tuple[Finding, ...]]:
        """Return the outcome of a binding that does not fire, or None; and its findings."""
        if compiled.unavailable:
            return Outcome(OutcomeKind.UNAVAILABLE, compiled.unavailable), ()
        if self.engine.bypass & {"all", self.event.position.value, compiled.binding.name}:
            return Outcome(OutcomeKind.SKIPPED, "Bypassed by WHENTHEN_DISABLE."), ()
        try:
            found = evaluate(compiled.conditions, self.facts)
        except UnknownClauseError as error:
            return Outcome.failed(str(error)), ()
        if found.verdict is Verdict.MET:
            return None, found.children
        kind = OutcomeKind.NOT_MET if found.verdict is Verdict.UNMET else OutcomeKind.UNKNOWN
        return Outcome(kind), found.children

    def act(self, compiled: Compiled, environment: LiveEnvironment) -> Outcome:
        """Run an action now, as its effect demands; raises what the action raises."""
        action = compiled.action
        assert action is not None
        effect = action.effect
        limit = min(action.time_limit, self.budget.left)
        if limit <= 0:
            return Outcome(OutcomeKind.SKIPPED, "No time was left for it in this call.")
        run = self._run(compiled, environment, limit)
        in_place = self._in_savepoint if effect is Effect.LOCAL else perform
        outcome = self.budget.spend(lambda: in_place(action, run, limit))
        if outcome.changes and effect is not Effect.MODIFY:
            return Outcome.failed(
                f"It asks for changes, but declares the effect {effect}: an error of the plugin."
            )
        if outcome.changes:
            self.event = changed(self.event, outcome.changes)
        if effect in (Effect.MODIFY, Effect.LOCAL):
            self._look_again()
        return outcome

    def _in_savepoint(self, action: Action, run: Run[object], limit: float) -> Outcome:
        """Run an action in the host's transaction: what it did is kept only if it succeeds."""
        try:
            with self.engine.transactions.savepoint(self.services):
                outcome = perform(action, run, limit)
                if outcome.kind is not OutcomeKind.DONE:
                    raise _UndoError
        except _UndoError:
            pass
        return outcome

    def defer(
        self,
        compiled: Compiled,
        environment: LiveEnvironment,
        delivery: str,
        findings: tuple[Finding, ...],
    ) -> Outcome:
        """Put an action into the outbox, with all that its run will need, and its record."""
        action = compiled.action
        assert action is not None
        limit = min(action.time_limit, self.budget.left)
        run = self._run(compiled, environment, limit)
        found = self.budget.spend(lambda: prepared(action, run))
        facts, tags = snapshot(compiled, environment)
        outcome = Outcome(OutcomeKind.DEFERRED)
        binding = compiled.binding
        self.engine.outbox.add(
            NewDelivery(
                delivery, binding.name, binding.handler, binding.action, binding.options,
                self.event.masked(self._secrets()), facts, tags, found,
            ),
            self.record(compiled, outcome, findings, environment, delivery=delivery),
            self.services,
        )  # fmt: skip
        return outcome

    def record(
        self,
        compiled: Compiled,
        outcome: Outcome,
        findings: tuple[Finding, ...],
        environment: LiveEnvironment,
        duration: float = 0.0,
        *,
        error: str = "",
        delivery: str = "",
    ) -> Record:
        """Return the trace of a binding at this event."""
        event, binding = self.event, compiled.binding
        return Record(
            event.id, event.type, event.position, binding.name, binding.handler, binding.action,
            outcome.kind, datetime.now(UTC), duration, outcome.detail, error, delivery, findings,
            tuple(dict.fromkeys(environment.empty_tags)),
        )  # fmt: skip

    def _environment(self, compiled: Compiled) -> LiveEnvironment:
        module = compiled.binding.handler
        return LiveEnvironment(module, self.engine.configured, self.services, self.facts)

    def _run(self, compiled: Compiled, environment: LiveEnvironment, limit: float) -> Run[object]:
        return Run(
            self.event, compiled.options, time.monotonic() + limit, self._secrets(),
            environment=environment,
        )  # fmt: skip

    def _secrets(self) -> frozenset[str]:
        return self.engine.registry.secrets(self.event.type)


class _UndoError(Exception):
    """Leaves a savepoint so that it is rolled back."""
