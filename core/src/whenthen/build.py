"""The one place where an engine is put together; everything can be passed in."""

from __future__ import annotations

import functools
import importlib.metadata
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol, cast

import attrs
from attrs import define

from whenthen import settings as environment
from whenthen.configured import Configured, settings_of
from whenthen.engine import Engine
from whenthen.errors import SettingsError
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
    open_services: Callable[[], HostServices]
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
        parts.open_services,
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
    from_plugins = svcs.Registry()
    loaded.register_services(from_plugins)
    # The host's own come first: no plugin can put itself in the place of the host's transaction.
    own = [] if services is None else [services]
    open_services = functools.partial(HostServices.of, *own, from_plugins)
    return Parts(
        loaded, registry, database, bindings, RecordStore(database), deliveries, plan, configured,
        open_services, Worker(deliveries, configured, open_services),
    )  # fmt: skip


def _nothing() -> None:
    """Wake nobody: the workers are other processes, which look for themselves."""


def _executor(name: str, worker: Worker) -> Executor:
    from stevedore import DriverManager
    from stevedore.exception import NoMatches

    # Filled here and emptied again, for stevedore's own cache on disk can be stale.
    cache = DriverManager.ENTRY_POINT_CACHE
    cache[EXECUTORS] = list(importlib.metadata.entry_points(group=EXECUTORS))
    try:
        manager: DriverManager[Executor] = DriverManager(
            EXECUTORS, name, invoke_on_load=True, invoke_args=(worker,)
        )
    except NoMatches as error:
        known = ", ".join(sorted(point.name for point in cache[EXECUTORS]))
        raise SettingsError(f"There is no executor {name!r}; there are {known}.") from error
    finally:
        del cache[EXECUTORS]
    return cast("Executor", manager.driver)
