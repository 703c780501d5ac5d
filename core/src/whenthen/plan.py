"""Bindings compiled, once, to an immutable snapshot that the path of an event reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import Factory, frozen

from whenthen.binding import Binding, Mode, OnError, ResourceConfig
from whenthen.clauses import parse_conditions
from whenthen.declare import Action, Effect
from whenthen.errors import Problem, Refused, Unavailable
from whenthen.event import Position
from whenthen.options import OptionSpec, walk
from whenthen.parsing import join, parse
from whenthen.registry import Registry
from whenthen.template import FACT_PREFIX, identifiers
from whenthen.verdict import Group, Junction

__all__ = ["Compiled", "NoOptions", "Plan", "compile_binding", "compile_plan", "compile_resource"]


@frozen
class NoOptions:
    """The options of an action that has none."""


ALWAYS = Group(Junction.ALL, ())


@frozen
class Compiled:
    """A binding with everything looked up and parsed; `unavailable` says why it cannot run."""

    binding: Binding
    conditions: Group = ALWAYS
    action: Action | None = None
    options: Any = None  # of the action's options class
    tags: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    unavailable: str = ""

    @property
    def aborts(self) -> bool:
        """Whether a failure stops the host's call."""
        if self.binding.on_error is not None:
            return self.binding.on_error is OnError.ABORT
        return self.action is not None and self.action.effect is Effect.MODIFY

    @property
    def deferred(self) -> bool:
        """Whether the action goes into the outbox."""
        return (
            self.action is not None
            and self.action.effect is Effect.EXTERNAL
            and self.binding.mode is not Mode.INLINE
        )


@frozen
class Plan:
    """Everything configured, as of one revision.

    `places` has, for each event type that anything active is bound to, the bindings of each
    position in the order in which they run.
    """

    revision: int = -1
    compiled: Mapping[str, Compiled] = Factory(dict)
    places: Mapping[str, Mapping[Position, tuple[Compiled, ...]]] = Factory(dict)
    resources: Mapping[str, ResourceConfig] = Factory(dict)


def compile_plan(
    revision: int,
    bindings: Iterable[Binding],
    resources: Iterable[ResourceConfig],
    registry: Registry,
) -> Plan:
    """Return the plan of what is configured; what no longer fits is unavailable in it."""
    by_name = {resource.name: resource for resource in resources}
    compiled = {
        binding.name: _compiled_or_unavailable(binding, registry, by_name) for binding in bindings
    }
    places: dict[str, dict[Position, list[Compiled]]] = {}
    for one in sorted(compiled.values(), key=lambda one: (one.binding.order, one.binding.name)):
        for event_type in dict.fromkeys(one.binding.events) if one.binding.active else ():
            positions = places.setdefault(event_type, {})
            positions.setdefault(one.binding.position, []).append(one)
    frozen_places = {
        event_type: {position: tuple(ones) for position, ones in positions.items()}
        for event_type, positions in places.items()
    }
    return Plan(revision, compiled, frozen_places, by_name)


def _compiled_or_unavailable(
    binding: Binding, registry: Registry, resources: Mapping[str, ResourceConfig]
) -> Compiled:
    try:
        return compile_binding(binding, registry, resources)
    except Unavailable as error:
        return Compiled(binding, unavailable=error.sentence)
    except Refused as error:
        return Compiled(binding, unavailable=f"It is no longer valid: {error.sentence}")
    except (Exception, SystemExit) as error:  # noqa: BLE001  # one plugin's bug is not the others'
        reason = f"Its plugin raised {type(error).__name__}: report this to the plugin's author."
        return Compiled(binding, unavailable=reason)


def compile_binding(
    binding: Binding,
    registry: Registry,
    resources: Mapping[str, ResourceConfig],
    path: str = "",
) -> Compiled:
    """Return a binding with everything that it names looked up and parsed.

    Raises:
        Unavailable: its handler module, or its action, is not there.
        Refused: with everything that is wrong with it.
    """
    problems = list(_unknown_events(binding, registry, path))
    conditions = ALWAYS
    try:
        conditions = parse_conditions(binding.conditions, registry, join(path, "conditions"))
    except Refused as error:
        problems += error.problems
    try:
        action = registry.action(binding.handler, binding.action)
    except Unavailable as error:
        if not problems:
            raise
        missing = "action" if binding.handler in registry.modules else "handler"
        raise Refused([Problem(join(path, missing), error.sentence), *problems]) from error
    problems += _misplaced(binding, action, path)
    options: object = None
    tags: list[str] = []
    here = join(path, "options")
    try:
        options = parse(action.options or NoOptions, dict(binding.options), here)
        for where, spec, value in walk(options, here):
            if spec.resource is not None:
                problems += _wrong_resource(where, spec, value, registry, resources)
            for tag in _tags(spec, value):
                if tag not in spec.tags:
                    tags.append(tag)
                    problems += _unknown_tag(where, tag, registry)
    except Refused as error:
        problems += error.problems
    if problems:
        raise Refused(problems)
    return Compiled(
        binding, conditions, action, options, tuple(dict.fromkeys(tags)), action.facts_of(options)
    )


def compile_resource(config: ResourceConfig, registry: Registry, path: str = "") -> object:
    """Return a resource's configuration as an instance of its class, secrets as references.

    Raises:
        Unavailable: no active plugin declares its kind.
        Refused: with everything that is wrong with it.
    """
    declared = registry.resources.get(config.kind)
    if declared is None:
        known = ", ".join(sorted(registry.resources)) or "none"
        raise Unavailable(f"No active plugin declares the kind {config.kind!r}; there are {known}.")
    return parse(declared.options, dict(config.options), join(path, "options"))


def _unknown_events(binding: Binding, registry: Registry, path: str) -> Iterable[Problem]:
    for index, event_type in enumerate(binding.events):
        if event_type not in registry.event_types:
            known = ", ".join(sorted(registry.event_types)) or "none"
            yield Problem(
                f"{join(path, 'events')}[{index}]",
                f"no installed plugin declares the event type {event_type!r}; there are {known}",
            )


def _misplaced(binding: Binding, action: Action, path: str) -> Iterable[Problem]:
    if binding.position not in action.positions:
        allowed = ", ".join(sorted(action.positions))
        yield Problem(
            join(path, "position"),
            f"the action {action.name!r} runs at {allowed}, not at {binding.position}",
        )
    if binding.mode is not None and action.effect is not Effect.EXTERNAL:
        yield Problem(
            join(path, "mode"),
            f"only external actions have a mode; {action.name!r} has the effect {action.effect}",
        )


def _wrong_resource(
    where: str,
    spec: OptionSpec,
    value: object,
    registry: Registry,
    resources: Mapping[str, ResourceConfig],
) -> Iterable[Problem]:
    assert spec.resource is not None
    declared = registry.resource_kind(spec.resource)
    kind = declared.name if declared else "?"
    if value is None:
        return
    if str(value) not in resources:
        there = ", ".join(sorted(r.name for r in resources.values() if r.kind == kind)) or "none"
        yield Problem(where, f"there is no {kind} named {value!r}; there are {there}")
    elif resources[str(value)].kind != kind:
        yield Problem(where, f"{value!r} is a {resources[str(value)].kind}, not a {kind}")


def _tags(spec: OptionSpec, value: object) -> Sequence[str]:
    if not spec.template:
        return ()
    texts = value.values() if isinstance(value, Mapping) else value
    listed = [value] if isinstance(value, str) else list(texts or ())  # type: ignore[call-overload]  # a tuple or a mapping's values
    return [tag for text in listed for tag in identifiers(str(text))]


def _unknown_tag(where: str, tag: str, registry: Registry) -> Iterable[Problem]:
    if tag.startswith(FACT_PREFIX):
        if registry.fact(tag.removeprefix(FACT_PREFIX)) is None:
            yield Problem(where, f"{{{tag}}} names a fact that no plugin declares")
    elif tag not in registry.tags:
        known = ", ".join(sorted(registry.tags))
        yield Problem(where, f"{{{tag}}} is no tag; there are {known}, and {{fact:…}}")
