"""Plugins: stevedore finds and loads them, pluggy registers them, a broken one is quarantined.

Loading goes one entry point at a time, and every hook is called one implementation at a time inside
a guard, so that nothing a plugin does can take the host or another plugin down.
"""

from __future__ import annotations

import functools
import importlib.metadata
import logging
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pluggy
from attrs import Factory, define, field, frozen

from whenthen import hookspecs
from whenthen.declare import API_VERSION, Condition, EventType, Fact, HandlerModule
from whenthen.errors import PluginError, SettingsError, Unavailable, WhenthenError
from whenthen.registry import Registry

if TYPE_CHECKING:
    import svcs

    from whenthen.record import Record

__all__ = ["GROUP", "Plugin", "PluginState", "Plugins", "load_plugins"]

GROUP = "whenthen.plugins"
log = logging.getLogger("whenthen.plugins")

_Hook = tuple[str, pluggy.HookImpl]
_DECLARING: Mapping[str, tuple[str, type]] = {
    "whenthen_handler_modules": ("modules", HandlerModule),
    "whenthen_conditions": ("conditions", Condition),
    "whenthen_facts": ("facts", Fact),
    "whenthen_event_types": ("event_types", EventType),
}


class PluginState(StrEnum):
    """Whether a plugin takes part."""

    ACTIVE = "active"
    QUARANTINED = "quarantined"
    """It is broken and left out; the reason says why."""
    UNAVAILABLE = "unavailable"
    """It is in order, but something that it needs is not there now."""


@frozen
class Plugin:
    """A plugin as it was found: its entry point, its distribution, its state, what it brings."""

    name: str
    entry_point: str = ""
    distribution: str = ""
    version: str = ""
    state: PluginState = PluginState.ACTIVE
    reason: str = ""
    modules: tuple[str, ...] = ()

    @property
    def culprit(self) -> str:
        """How messages name it."""
        return (
            f"{self.name} ({self.distribution} {self.version})" if self.distribution else self.name
        )


@define
class Plugins:
    """The plugins that were found, and the registry of what the active ones declare.

    `names` are those of all plugins; a handler module of such a name is for that plugin to declare.
    """

    names: frozenset[str] = frozenset()
    registry: Registry = Factory(Registry)
    found: list[Plugin] = Factory(list)
    _manager: pluggy.PluginManager = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self.registry = attrs.evolve(self.registry, absent=self._why_absent)

    def add(self, plugin: Plugin, load: Callable[[], object]) -> None:
        """Load a plugin and register what it declares: all of it or, if it is broken, nothing."""
        taken = self._manager.has_plugin(plugin.name)
        try:
            implementations = self._implementations(plugin, load())
            registry = _with_declarations(self.registry, implementations)
            modules = tuple(name for name in registry.modules if name not in self.registry.modules)
            self._refuse_taken(plugin, modules)
        except (Exception, SystemExit) as error:  # noqa: BLE001  # it says so in its reason
            if self._manager.has_plugin(plugin.name) and not taken:
                self._manager.unregister(name=plugin.name)
            reason = _reason(error)
            plugin = attrs.evolve(plugin, state=PluginState.QUARANTINED, reason=reason)
            log.warning("The plugin %s is quarantined: %s", plugin.culprit, reason)
        else:
            plugin = attrs.evolve(plugin, modules=modules)
            self.registry = registry
        self.found.append(plugin)

    def now(self) -> list[Plugin]:
        """Return the plugins with their states of this moment."""
        return [self._looked_at(plugin) for plugin in self.found]

    def register_services(self, services: svcs.Registry) -> None:
        """Let every plugin register what it offers."""
        self._observe("whenthen_services", registry=services)

    def observe(self, record: Record) -> None:
        """Show a record to every observer."""
        self._observe("whenthen_record", record=record)

    def _implementations(self, plugin: Plugin, module: object) -> list[_Hook]:
        wanted = getattr(module, "WHENTHEN_API", API_VERSION)
        if wanted != API_VERSION:
            raise PluginError(
                f"It is made for version {wanted!r} of whenthen's plugin API, but this is version "
                f"{API_VERSION}: install versions of the two that fit"
            )
        if self._manager.has_plugin(plugin.name):
            raise PluginError("Another plugin has its name: choose another one")
        self._manager.register(module, plugin.name)
        self._manager.check_pending()
        return [
            (hook, implementation)
            for hook in _DECLARING
            for implementation in getattr(self._manager.hook, hook).get_hookimpls()
            if implementation.plugin is module
        ]

    def _refuse_taken(self, plugin: Plugin, modules: Iterable[str]) -> None:
        """Refuse handler modules that are named like another plugin: they are its own."""
        taken = sorted((self.names - {plugin.name}).intersection(modules))
        if taken:
            raise PluginError(f"It declares modules named like other plugins: {', '.join(taken)}")

    def _observe(self, hook: str, **arguments: object) -> None:
        for implementation in getattr(self._manager.hook, hook).get_hookimpls():
            try:
                _call(implementation, **arguments)
            except (Exception, SystemExit) as error:  # noqa: BLE001  # its text may hold a secret
                name, kind = implementation.plugin_name, type(error).__name__
                log.error("%s of the plugin %s raised %s; that is dropped.", hook, name, kind)

    def _looked_at(self, plugin: Plugin) -> Plugin:
        for name in plugin.modules:
            try:
                self.registry.actions(self.registry.modules[name])
            except Unavailable as error:
                # What nobody has set up yet is no fault; what was set up and is gone is one.
                unset = isinstance(error.__cause__, SettingsError)
                state = plugin.state if unset else PluginState.UNAVAILABLE
                return attrs.evolve(plugin, state=state, reason=error.sentence)
        return plugin

    def _why_absent(self, module: str) -> str:
        for plugin in self.found:
            if plugin.name == module and plugin.state is PluginState.QUARANTINED:
                return f"The plugin {plugin.culprit} is quarantined: {plugin.reason}"
        return ""


def load_plugins(*, strict: bool = False, extra: Mapping[str, object] | None = None) -> Plugins:
    """Return the plugins of every installed distribution, and the `extra` objects by name.

    Args:
        strict: raise instead of putting a broken plugin into quarantine.
        extra: modules or objects with hook implementations, as a host has them itself.

    Raises:
        PluginError: a plugin is broken, and `strict` is set.
    """
    found = sorted(importlib.metadata.entry_points(group=GROUP), key=_basic_first)
    counts = Counter(entry_point.name for entry_point in found)
    plugins = Plugins(frozenset(counts))
    for entry_point in found:
        load = functools.partial(_load, entry_point, counts[entry_point.name])
        plugins.add(_plugin_of(entry_point), load)
    for name, thing in (extra or {}).items():
        plugins.add(Plugin(name), functools.partial(_itself, thing))
    broken = [p for p in plugins.found if p.state is PluginState.QUARANTINED]
    if strict and broken:
        raise PluginError(" ".join(f"The plugin {p.culprit}: {p.reason}" for p in broken))
    return plugins


def _basic_first(entry_point: EntryPoint) -> tuple[bool, str]:
    """Sort by name, so that the order never depends on the installation; ours comes first."""
    return entry_point.value != "whenthen.basic", entry_point.name


def _itself(thing: object) -> object:
    return thing


def _plugin_of(entry_point: EntryPoint) -> Plugin:
    distribution = entry_point.dist
    name, version = (distribution.name, distribution.version) if distribution else ("", "")
    return Plugin(entry_point.name, entry_point.value, name, version)


def _load(entry_point: EntryPoint, count: int) -> object:
    """Load one entry point through stevedore."""
    from stevedore import ExtensionManager

    if count > 1:
        raise PluginError(
            f"{count} installed distributions have a plugin named {entry_point.name!r}: "
            "uninstall all but one"
        )

    def failed(_manager: object, _entry_point: object, error: BaseException) -> None:
        raise error

    # stevedore's own cache on disk loses the distribution and can be stale; this one is ours.
    ExtensionManager.ENTRY_POINT_CACHE[GROUP] = [entry_point]
    try:
        manager: ExtensionManager[object] = ExtensionManager(GROUP, on_load_failure_callback=failed)
    finally:
        del ExtensionManager.ENTRY_POINT_CACHE[GROUP]
    return manager[entry_point.name].plugin


def _call(implementation: pluggy.HookImpl, **arguments: object) -> Any:  # what a plugin returns
    return implementation.function(*(arguments[name] for name in implementation.argnames))


def _with_declarations(registry: Registry, implementations: Iterable[_Hook]) -> Registry:
    """Return the registry with what a plugin declares; raises PluginError if it does not fit."""
    new: dict[str, list[Any]] = {table: [] for table, _ in _DECLARING.values()}
    for hook, implementation in implementations:
        table, kind = _DECLARING[hook]
        new[table] += _checked(hook, _call(implementation), kind)
    new["resources"] = [item for module in new["modules"] for item in module.resources]
    tables: dict[str, Any] = {
        table: _merged(getattr(registry, table), table, {item.name: item for item in items}, items)
        for table, items in new.items()
    }
    tagged = [fact for fact in new["facts"] if fact.tag]
    tables["tags"] = _merged(registry.tags, "tags", {fact.tag: fact for fact in tagged}, tagged)
    return attrs.evolve(registry, **tables)


def _checked(hook: str, declared: object, kind: type) -> Sequence[object]:
    if not isinstance(declared, list | tuple):
        raise PluginError(
            f"{hook} returned {type(declared).__name__}, but must return a list of {kind.__name__}"
        )
    for item in declared:
        if not isinstance(item, kind):
            raise PluginError(
                f"{hook} returned {type(item).__name__} in its list, not {kind.__name__}"
            )
    return declared


def _merged(
    have: Mapping[str, Any], table: str, new: Mapping[str, Any], items: Sequence[object]
) -> Mapping[str, Any]:
    twice = sorted(have.keys() & new.keys())
    if twice or len(new) < len(items):
        names = ", ".join(twice) or "one of them twice itself"
        raise PluginError(
            f"It declares {table.replace('_', ' ')} that another plugin has declared: {names}"
        )
    return {**have, **new}


def _reason(error: BaseException) -> str:
    """Say what is wrong with a plugin, and what to do; the text of foreign errors stays out."""
    match error:
        case ModuleNotFoundError():
            return f"It needs the module {error.name!r}, which is not installed: install it."
        case WhenthenError():
            return f"{error.sentence.rstrip('.')}."
        case pluggy.PluginValidationError():
            return f"It does not fit the hooks of whenthen: {' '.join(str(error).split())}."
        case SystemExit():
            return "It tried to end the process while it was loaded: report this to its author."
        case ImportError() | SyntaxError() | AttributeError():
            return f"It cannot be imported, {type(error).__name__}: {error}."
        case _:
            last = traceback.extract_tb(error.__traceback__)[-1]
            place = f"at {Path(last.filename).name}, line {last.lineno}"
            return f"It raised {type(error).__name__} {place}: report this to its author."
