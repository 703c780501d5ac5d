"""The one place where an engine is put together; everything can be passed in."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol, cast

import attrs
from attrs import define

from whenthen import settings as environment
from whenthen.configured import Configured, settings_of
from whenthen.engine import Engine
from whenthen.firing import Ports
from whenthen.freshness import FreshPlan
from whenthen.hosts import Adapter, FunctionAdapter
from whenthen.plugins import Plugins, load_plugins
from whenthen.registry import Registry
from whenthen.services import HostServices

if TYPE_CHECKING:
    import svcs

    from whenthen.delivery import Worker
    from whenthen.store import (
        BindingStore,
        Database,
        DeliveryStore,
        RecordStore,
    )

__all__ = ["EXECUTORS", "Parts", "assemble", "build", "known"]

EXECUTORS = "whenthen.executors"


class Executor(Protocol):
    """Sees to it that deliveries are made."""

    def start(self) -> None:
        """Begin to deliver."""

    def wake(self) -> None:
        """Say that there may be something to deliver."""

    def close(self) -> None:
        """Stop delivering."""


@define
class Parts:
    """Everything that an engine is made of; the command line works with the parts."""

    plugins: Plugins
    registry: Registry
    database: Database
    bindings: BindingStore
    records: RecordStore
    deliveries: DeliveryStore
    plan: FreshPlan
    configured: Configured
    services: svcs.Registry
    worker: Worker


def build(
    *,
    database_url: str | None = None,
    services: svcs.Registry | None = None,
    plugins: Mapping[str, object] | None = None,
    settings: Mapping[str, Mapping[str, object]] | None = None,
    adapter: Adapter | None = None,
    executor: str | None = "embedded",
    budget: float = 5.0,
    strict: bool = False,
) -> Engine:
    """Put an engine together and start it; `engine.close()` ends it.

    Args:
        database_url: where bindings, records and deliveries are, as SQLAlchemy writes it; by
            default `WHENTHEN_DATABASE_URL`, else an SQLite file in the working directory.
        services: what the host offers to actions and facts, by type; plugins add theirs.
        plugins: modules or objects with hook implementations beside the installed ones, by name.
        settings: settings of handler modules, by module and name.
        adapter: how calls become events, where `engine.event` is not given one.
        executor: the entry point in the group `whenthen.executors` that delivers deferred actions;
            None to leave that to `whenthen worker`.
        budget: seconds that all inline actions of one call may take together.
        strict: raise if a plugin is broken, instead of putting it into quarantine.

    Raises:
        StoreError: the database cannot be opened.
        PluginError: a plugin is broken, and `strict` is set.
    """
    parts = assemble(
        database_url=database_url, services=services, plugins=plugins, settings=settings,
        strict=strict,
    )  # fmt: skip
    from whenthen.store import HostTransactions

    delivering = _executor(executor, parts.worker) if executor else None
    open_services = functools.partial(HostServices.of, parts.services)
    parts.plan.start()

    def close() -> None:
        if delivering is not None:
            delivering.close()
        parts.records.close()
        parts.database.close()

    wake: Callable[[], None] = delivering.wake if delivering is not None else _nothing
    engine = Engine(
        Ports(
            parts.registry,
            parts.configured,
            parts.records,
            attrs.evolve(parts.deliveries, wake=wake),
            HostTransactions(),
            parts.plugins.observe,
            environment.bypassed(),
        ),
        parts.plan,
        open_services,
        adapter or FunctionAdapter(),
        budget,
        close,
    )
    if delivering is not None:
        delivering.start()
    return engine


def known(
    *,
    plugins: Mapping[str, object] | None = None,
    settings: Mapping[str, Mapping[str, object]] | None = None,
    strict: bool = False,
) -> tuple[Plugins, Registry]:
    """Return the plugins and the registry of what they declare; no database is touched."""
    loaded = load_plugins(strict=strict, extra=plugins)
    given = settings or {}
    registry = attrs.evolve(
        loaded.registry, settings=lambda module: settings_of(module, given, os.environ)
    )
    loaded.registry = registry
    return loaded, registry


def assemble(
    *,
    database_url: str | None = None,
    services: svcs.Registry | None = None,
    plugins: Mapping[str, object] | None = None,
    settings: Mapping[str, Mapping[str, object]] | None = None,
    strict: bool = False,
) -> Parts:
    """Return the parts of an engine, with nothing started; the arguments are those of `build`."""
    import svcs

    from whenthen.delivery import Worker
    from whenthen.store import BindingStore, DeliveryStore, RecordStore, open_database

    loaded, registry = known(plugins=plugins, settings=settings, strict=strict)
    database = open_database(database_url or environment.database_url())
    bindings, deliveries = BindingStore(database), DeliveryStore(database)
    plan = FreshPlan(registry, bindings)
    configured = Configured(registry, lambda: plan.plan)
    offered = services if services is not None else svcs.Registry()
    loaded.register_services(offered)
    return Parts(
        loaded, registry, database, bindings, RecordStore(database), deliveries, plan, configured,
        offered, Worker(deliveries, configured, functools.partial(HostServices.of, offered)),
    )  # fmt: skip


def _nothing() -> None:
    """Wake nobody: the workers are other processes, which look for themselves."""


def _executor(name: str, worker: Worker) -> Executor:
    from stevedore import DriverManager

    manager: DriverManager[Executor] = DriverManager(
        EXECUTORS, name, invoke_on_load=True, invoke_args=(worker,)
    )
    return cast("Executor", manager.driver)
