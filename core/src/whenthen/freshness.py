"""Keeping the plan in force: the revision is looked at in the background, never in a call."""

from __future__ import annotations

import logging
import threading

from attrs import define, field

from whenthen.errors import WhenthenError
from whenthen.plan import Plan, compile_plan
from whenthen.protocols import BindingSource
from whenthen.registry import Registry

__all__ = ["FreshPlan"]

log = logging.getLogger("whenthen.plan")


@define
class FreshPlan:
    """The plan in force. A change is in force everywhere within `seconds`, without a restart."""

    registry: Registry
    source: BindingSource
    seconds: float = 1.0
    plan: Plan = field(factory=Plan)
    _stopped: threading.Event = field(factory=threading.Event)
    _thread: threading.Thread | None = None
    _refreshing: threading.Lock = field(factory=threading.Lock)
    _away: bool = False

    def start(self) -> None:
        """Load the plan, and look after it in the background from now on."""
        self.refresh()
        self._thread = threading.Thread(target=self._watch, name="whenthen-plan", daemon=True)
        self._thread.start()

    def refresh(self) -> None:
        """Put the newest plan in force; while the database is away, the last one stays."""
        with self._refreshing:
            try:
                if self.source.revision() != self.plan.revision or self._may_be_back():
                    self.plan = compile_plan(*self.source.load(), self.registry)
            except WhenthenError as error:
                if not self._away:
                    log.warning("The bindings cannot be read; the last ones stay. %s", error)
                self._away = True
            else:
                self._away = False

    def close(self) -> None:
        """Stop looking."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def _watch(self) -> None:
        while not self._stopped.wait(self.seconds):
            try:
                self.refresh()
            except Exception:
                log.exception("The bindings cannot be read; the last ones stay.")

    def _may_be_back(self) -> bool:
        """Return whether something that was missing, such as a script, may be there by now."""
        return any(
            compiled.unavailable and compiled.binding.handler in self.registry.modules
            for compiled in self.plan.compiled.values()
        )
