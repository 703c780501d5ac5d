"""The bindings of one event at one position: verdict, action, record.

Read `_Firing.one` for the way through a binding, and `_Firing.act` for what an effect means.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import attrs
from attrs import define, field, frozen

from whenthen.acting import chaining_off, guarded, perform, prepared
from whenthen.changes import changed
from whenthen.configured import Configured
from whenthen.declare import Action, Effect
from whenthen.environment import LiveEnvironment, snapshot
from whenthen.errors import Aborted, StoreError
from whenthen.event import Event, new_id
from whenthen.facts import Facts
from whenthen.limits import Budget
from whenthen.outcome import Outcome, OutcomeKind
from whenthen.plan import Compiled
from whenthen.protocols import NewDelivery, Outbox, RecordSink, Transactions
from whenthen.record import Finding, Record, Verdict
from whenthen.registry import Registry
from whenthen.run import Run, Services
from whenthen.verdict import UnknownClauseError, evaluate

__all__ = ["Ports", "fire"]


@frozen
class Ports:
    """What the bindings of an event reach: declarations, configuration, and where things go.

    `observe` is shown every record. `bypass` names what is passed over: bindings, positions, or
    "all".
    """

    registry: Registry
    configured: Configured
    sink: RecordSink
    outbox: Outbox
    transactions: Transactions
    observe: Callable[[Record], None]
    bypass: frozenset[str] = frozenset()


def fire(
    ports: Ports,
    event: Event,
    bindings: Sequence[Compiled],
    services: Services,
    budget: Budget,
) -> Event:
    """Run bindings in order, each seeing what those before it changed; return the event so changed.

    Raises:
        Aborted: a binding with `on_error: abort` failed. The records are kept all the same.
    """
    firing = _Firing(ports, event, services, budget)
    try:
        # Facts and preparations, too, may call what the host has marked as events.
        with chaining_off():
            for compiled in bindings:
                firing.one(compiled)
    finally:
        # The record of a deferred action stands in the outbox's transaction already.
        ports.sink.write([one for one in firing.records if not one.delivery])
        for record in firing.records:
            ports.observe(record)
    return firing.event


@define
class _Firing:
    """One event at one position, on its way through its bindings."""

    ports: Ports
    event: Event
    services: Services
    budget: Budget
    facts: Facts = field(init=False)
    records: list[Record] = field(factory=list)
    outbox_is_away: bool = False
    started: float = 0.0

    @facts.default
    def _looked_at(self) -> Facts:
        return Facts(self.event, self.ports.registry, self.services)

    def one(self, compiled: Compiled) -> None:
        """Take one binding from its verdict to its record."""
        self.started = time.perf_counter()
        outcome, findings = self.decide(compiled)
        environment = self._environment(compiled)
        error = ""
        if outcome is None:
            outcome, error = guarded(
                lambda: (
                    self.defer(compiled, environment, findings)
                    if compiled.deferred
                    else self.act(compiled, environment)
                )
            )
            if outcome.kind is OutcomeKind.DEFERRED:
                return
            failed = outcome.kind in (OutcomeKind.FAILED, OutcomeKind.UNAVAILABLE)
            if failed and compiled.aborts:
                outcome = attrs.evolve(outcome, kind=OutcomeKind.ABORTED)
        self.records.append(self.record(compiled, outcome, findings, environment, error=error))
        if outcome.kind is OutcomeKind.ABORTED:
            raise Aborted(compiled.binding.name, self.event.type, outcome.detail)

    def decide(self, compiled: Compiled) -> tuple[Outcome | None, tuple[Finding, ...]]:
        """Return the outcome of a binding that does not fire, or None; and its findings."""
        if compiled.unavailable:
            return Outcome(OutcomeKind.UNAVAILABLE, compiled.unavailable), ()
        if self.ports.bypass & {"all", self.event.position.value, compiled.binding.name}:
            return Outcome(OutcomeKind.SKIPPED, "Bypassed by WHENTHEN_DISABLE."), ()
        try:
            found = evaluate(compiled.conditions, self.facts)
        except UnknownClauseError as error:
            kind = OutcomeKind.ABORTED if compiled.aborts else OutcomeKind.FAILED
            return Outcome(kind, str(error)), ()
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
            late = "No time was left for it in this call."
            return Outcome.failed(late) if compiled.aborts else Outcome(OutcomeKind.SKIPPED, late)
        run = self._run(compiled, environment, limit)
        in_place = self._in_savepoint if effect is Effect.LOCAL else perform
        try:
            outcome = self.budget.spend(lambda: in_place(action, run, limit))
        finally:
            if effect is not Effect.OBSERVE:
                # What it changed, or tried to, is not seen through what was known before.
                self.facts = self._looked_at()
        if outcome.changes and effect is not Effect.MODIFY:
            return Outcome.failed(
                f"It asks for changes, but declares the effect {effect}: an error of the plugin."
            )
        if outcome.changes:
            self.event = changed(self.event, outcome.changes)
            self.facts = self._looked_at()
        return outcome

    def _in_savepoint(self, action: Action, run: Run[object], limit: float) -> Outcome:
        """Run an action in the host's transaction: what it did is kept only if it succeeds."""
        try:
            with self.ports.transactions.savepoint(self.services):
                outcome = perform(action, run, limit)
                if outcome.kind is not OutcomeKind.DONE or outcome.changes:
                    raise _UndoError
        except _UndoError:
            pass
        return outcome

    def defer(
        self,
        compiled: Compiled,
        environment: LiveEnvironment,
        findings: tuple[Finding, ...],
    ) -> Outcome:
        """Put an action into the outbox, with all that its run will need, and its record."""
        action = compiled.action
        assert action is not None
        if self.outbox_is_away:  # to ask for it again would hold up the host's call again
            return Outcome.failed("The outbox did not answer a binding before this one.")
        limit = min(action.time_limit, self.budget.left)
        run = self._run(compiled, environment, limit)
        found = self.budget.spend(lambda: prepared(action, run))
        facts, tags = snapshot(compiled, environment)
        outcome, delivery = Outcome(OutcomeKind.DEFERRED), new_id()
        binding = compiled.binding
        new = NewDelivery(
            delivery, binding.name, binding.handler, binding.action, binding.options,
            self.event.masked(self._secrets()), facts, tags, found,
        )  # fmt: skip
        record = self.record(compiled, outcome, findings, environment, delivery=delivery)
        try:
            self.budget.spend(lambda: self.ports.outbox.add(new, record, self.services))
        except StoreError:
            self.outbox_is_away = True
            raise
        self.records.append(record)
        return outcome

    def record(
        self,
        compiled: Compiled,
        outcome: Outcome,
        findings: tuple[Finding, ...],
        environment: LiveEnvironment,
        *,
        error: str = "",
        delivery: str = "",
    ) -> Record:
        """Return the trace of a binding at this event."""
        duration = time.perf_counter() - self.started
        event, binding = self.event, compiled.binding
        return Record(
            event.id, event.type, event.position, binding.name, binding.handler, binding.action,
            outcome.kind, datetime.now(UTC), duration, outcome.detail, error, delivery, findings,
            tuple(dict.fromkeys(environment.empty_tags)),
        )  # fmt: skip

    def _environment(self, compiled: Compiled) -> LiveEnvironment:
        module = compiled.binding.handler
        return LiveEnvironment(module, self.ports.configured, self.services, self.facts)

    def _run(self, compiled: Compiled, environment: LiveEnvironment, limit: float) -> Run[object]:
        return Run(
            self.event, compiled.options, time.monotonic() + limit, self._secrets(),
            environment=environment,
        )  # fmt: skip

    def _secrets(self) -> frozenset[str]:
        return self.ports.registry.secrets(self.event.type)


class _UndoError(Exception):
    """Leaves a savepoint so that it is rolled back."""
