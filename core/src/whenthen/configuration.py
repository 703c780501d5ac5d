"""A whole configuration: read from a file, checked, compared with what is in force, exported."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, TypeVar

from attrs import field, frozen

from whenthen.binding import Binding, ResourceConfig, as_written
from whenthen.errors import Problem, Refused, Unavailable
from whenthen.parsing import parse
from whenthen.plan import compile_binding, compile_resource
from whenthen.registry import Registry
from whenthen.yaml_file import dump_yaml, load_yaml

__all__ = ["Configuration", "Step", "StepKind", "difference", "export", "read"]

T = TypeVar("T", Binding, ResourceConfig)
_SECTIONS = {"resources": ResourceConfig, "bindings": Binding}


class StepKind(StrEnum):
    """What applying a file does to one binding or resource."""

    CREATE = "create"
    CHANGE = "change"
    DELETE = "delete"
    KEEP = "keep"
    """It is in force and not in the file; `--prune` deletes it."""


@frozen
class Step:
    """One thing that applying a file does; `fields` are the members that change."""

    kind: StepKind
    what: str
    thing: Binding | ResourceConfig
    fields: tuple[str, ...] = ()


@frozen
class Configuration:
    """Bindings and resources by name."""

    bindings: Mapping[str, Binding] = field(factory=dict)
    resources: Mapping[str, ResourceConfig] = field(factory=dict)

    @classmethod
    def of(cls, bindings: Iterable[Binding], resources: Iterable[ResourceConfig]) -> Configuration:
        """Return the configuration that consists of these."""
        return cls({b.name: b for b in bindings}, {r.name: r for r in resources})


def read(text: str) -> Configuration:
    """Return the configuration that a YAML text has, its form checked.

    Raises:
        Refused: with everything that is wrong with the form, and where.
    """
    raw = load_yaml(text)
    if raw is None:
        raw = {}
    if not isinstance(raw, dict):
        raise Refused([Problem("", "The file must be a mapping with `bindings` and `resources`.")])
    problems = [
        Problem(key, f"is not known here; known are {', '.join(_SECTIONS)}")
        for key in raw
        if key not in _SECTIONS
    ]
    parsed: dict[str, dict[str, Any]] = {}
    for section, kind in _SECTIONS.items():
        parsed[section], found = _section(section, kind, raw.get(section))
        problems += found
    if problems:
        raise Refused(problems)
    return Configuration(parsed["bindings"], parsed["resources"])


def _section(section: str, kind: type[T], raw: object) -> tuple[dict[str, T], list[Problem]]:
    if raw is None:
        return {}, []
    if not isinstance(raw, list):
        return {}, [Problem(section, f"expected a list, got {type(raw).__name__}")]
    things: dict[str, T] = {}
    problems: list[Problem] = []
    for index, item in enumerate(raw):
        path = f"{section}[{index}]"
        try:
            thing = parse(kind, item, path)
        except Refused as error:
            problems += error.problems
            continue
        if thing.name in things:
            problems.append(Problem(f"{path}.name", f"{thing.name!r} is there twice"))
        things[thing.name] = thing
    return things, problems


def difference(
    current: Configuration, wanted: Configuration, registry: Registry, *, prune: bool = False
) -> list[Step]:
    """Return what it takes to get from one configuration to the other, everything checked.

    What stays as it is is not checked again: it may be unavailable for the moment.

    Raises:
        Refused: with everything that is wrong, and where.
    """
    steps = [
        *_steps("resource", current.resources, wanted.resources, prune),
        *_steps("binding", current.bindings, wanted.bindings, prune),
    ]
    deleted = {step.thing.name for step in steps if _deletes(step, "resource")}
    resources = {
        name: config
        for name, config in {**current.resources, **wanted.resources}.items()
        if name not in deleted
    }
    problems: list[Problem] = []
    for step in steps:
        if step.kind in (StepKind.CREATE, StepKind.CHANGE):
            problems += _wrong(step, wanted, registry, resources)
    kept = {step.thing.name for step in steps if step.kind is StepKind.KEEP}
    for name, binding in current.bindings.items():
        if name in kept or wanted.bindings.get(name) == binding:
            problems += _left_without(binding, deleted)
    if problems:
        raise Refused(problems)
    return steps


def export(configuration: Configuration) -> str:
    """Return the configuration as YAML; applied again it changes nothing."""
    document: dict[str, list[dict[str, object]]] = {}
    if configuration.resources:
        document["resources"] = _listed(configuration.resources)
    document["bindings"] = _listed(configuration.bindings)
    return dump_yaml(document)


def _listed(
    things: Mapping[str, Binding] | Mapping[str, ResourceConfig],
) -> list[dict[str, object]]:
    return [as_written(things[name]) for name in sorted(things)]


def _steps(
    what: str,
    current: Mapping[str, Binding] | Mapping[str, ResourceConfig],
    wanted: Mapping[str, Binding] | Mapping[str, ResourceConfig],
    prune: bool,
) -> list[Step]:
    steps: list[Step] = []
    for name, thing in wanted.items():
        if name not in current:
            steps.append(Step(StepKind.CREATE, what, thing))
        elif thing != current[name]:
            before, after = as_written(current[name]), as_written(thing)
            fields = sorted(key for key in {*before, *after} if before.get(key) != after.get(key))
            steps.append(Step(StepKind.CHANGE, what, thing, tuple(fields)))
    kind = StepKind.DELETE if prune else StepKind.KEEP
    steps += [Step(kind, what, current[name]) for name in current if name not in wanted]
    return steps


def _deletes(step: Step, what: str) -> bool:
    return step.kind is StepKind.DELETE and step.what == what


def _wrong(
    step: Step, wanted: Configuration, registry: Registry, resources: Mapping[str, ResourceConfig]
) -> Sequence[Problem]:
    """Return what is wrong with a binding or resource that is about to be saved."""
    thing = step.thing
    section = wanted.bindings if step.what == "binding" else wanted.resources
    path = f"{step.what}s[{list(section).index(thing.name)}]"
    try:
        if isinstance(thing, Binding):
            compile_binding(thing, registry, resources, path)
        else:
            compile_resource(thing, registry, path)
    except Unavailable as error:
        return [
            Problem(f"{path}.{'handler' if step.what == 'binding' else 'kind'}", error.sentence)
        ]
    except Refused as error:
        return error.problems
    return ()


def _left_without(binding: Binding, deleted: set[str]) -> list[Problem]:
    """Return the resources in use by a binding that would be deleted under it."""
    used = sorted(deleted & set(map(str, _texts(binding.options))))
    return [
        Problem(f"resources.{name}", f"is in use by the binding {binding.name!r}") for name in used
    ]


def _texts(value: object) -> list[str]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        return [text for item in value for text in _texts(item)]
    return [value] if isinstance(value, str) else []
