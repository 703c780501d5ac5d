"""A whole configuration: read from a file, checked, compared with what is in force, exported."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from attrs import field, frozen

from whenthen.binding import Binding, ResourceConfig, as_written
from whenthen.errors import Problem, Refused, Unavailable
from whenthen.parsing import parse
from whenthen.plan import compile_binding, compile_resource
from whenthen.registry import Registry
from whenthen.yaml_file import dump_yaml, load_yaml

__all__ = ["Configuration", "Step", "StepKind", "check", "difference", "export", "read"]

_SECTIONS: Mapping[str, type[Binding | ResourceConfig]] = {
    "resources": ResourceConfig,
    "bindings": Binding,
}
_STAND_INS: Mapping[type, dict[str, object]] = {
    Binding: {"name": "0", "events": ["-"], "position": "post", "handler": "-", "action": "-"},
    ResourceConfig: {"name": "0", "kind": "-"},
}


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


@frozen
class _Entry:
    """A binding or resource as it stands in a file.

    `told` are the members that are wrong in form; they are replaced, so that the rest of the entry
    can be checked all the same.
    """

    path: str
    thing: Binding | ResourceConfig
    told: frozenset[str] = frozenset()


def read(text: str) -> Configuration:
    """Return the configuration that a YAML text has, its form checked.

    Raises:
        Refused: with everything that is wrong with the form, and where.
    """
    entries, problems = _entries(text)
    if problems:
        raise Refused(problems)
    return _configuration(entries)


def check(
    text: str, current: Configuration, registry: Registry, *, prune: bool = False
) -> list[Step]:
    """Return what it takes to put a YAML text into force, everything checked.

    Raises:
        Refused: with everything that is wrong, with the form and with what it means, and where.
    """
    entries, problems = _entries(text)
    return _steps_to(_configuration(entries), entries, problems, current, registry, prune)


def difference(
    current: Configuration, wanted: Configuration, registry: Registry, *, prune: bool = False
) -> list[Step]:
    """Return what it takes to get from one configuration to the other, everything checked.

    What stays as it is is not checked again: it may be unavailable for the moment.

    Raises:
        Refused: with everything that is wrong, and where.
    """
    entries = [
        *(_Entry(f"resources[{i}]", one) for i, one in enumerate(wanted.resources.values())),
        *(_Entry(f"bindings[{i}]", one) for i, one in enumerate(wanted.bindings.values())),
    ]
    return _steps_to(wanted, entries, [], current, registry, prune)


def _entries(text: str) -> tuple[list[_Entry], list[Problem]]:
    raw = load_yaml(text)
    if not isinstance(raw, dict):
        said = "is empty" if raw is None else "is no mapping"
        example = "It has a mapping with `bindings:` and `resources:`, each a list; [] is none."
        raise Refused([Problem("", f"The file {said}. {example}")])
    problems = [
        Problem(key, f"is not known here; known are {', '.join(_SECTIONS)}")
        for key in raw
        if key not in _SECTIONS
    ]
    entries: list[_Entry] = []
    for section, kind in _SECTIONS.items():
        items = raw.get(section)
        if not isinstance(items, list | None):
            problems.append(Problem(section, f"expected a list, got {type(items).__name__}"))
            continue
        names: set[str] = set()
        for index, item in enumerate(items or ()):
            entry, found = _entry(kind, item, f"{section}[{index}]")
            problems += found
            if entry is None or "name" in entry.told:
                entries += [entry] if entry else []
                continue
            if entry.thing.name in names:
                there_twice = f"{entry.thing.name!r} is there twice"
                problems.append(Problem(f"{entry.path}.name", there_twice))
            names.add(entry.thing.name)
            entries.append(entry)
    return entries, problems


def _entry(
    kind: type[Binding | ResourceConfig], item: object, path: str
) -> tuple[_Entry | None, Sequence[Problem]]:
    try:
        thing: Any = parse(kind, item, path)  # an instance of `kind`
        return _Entry(path, thing), ()
    except Refused as error:
        problems = error.problems
    if not isinstance(item, dict):
        return None, problems
    wrong = {re.split(r"[.\[]", p.path.removeprefix(f"{path}."))[0] for p in problems}
    patched = _STAND_INS[kind] | {key: item[key] for key in item if key not in wrong}
    told = wrong | ({"handler", "action", "options"} if wrong & {"handler", "action"} else set())
    stand_in: Any = parse(kind, patched)  # as above
    return _Entry(path, stand_in, frozenset(told)), problems


def _configuration(entries: Sequence[_Entry]) -> Configuration:
    things = [entry.thing for entry in entries]
    return Configuration.of(
        [thing for thing in things if isinstance(thing, Binding)],
        [thing for thing in things if isinstance(thing, ResourceConfig)],
    )


def _steps_to(  # noqa: PLR0917  # private, and each argument is of another type
    wanted: Configuration,
    entries: Sequence[_Entry],
    problems: Sequence[Problem],
    current: Configuration,
    registry: Registry,
    prune: bool,
) -> list[Step]:
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
    found = list(problems)
    for entry in entries:
        in_force: Mapping[str, Binding | ResourceConfig] = (
            current.bindings if isinstance(entry.thing, Binding) else current.resources
        )
        if in_force.get(entry.thing.name) != entry.thing:
            found += _wrong(entry, registry, resources)
    kept = {step.thing.name for step in steps if step.kind is StepKind.KEEP}
    for name, binding in current.bindings.items():
        if name in kept or wanted.bindings.get(name) == binding:
            found += _left_without(binding, deleted)
    if found:
        raise Refused(found)
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
    entry: _Entry, registry: Registry, resources: Mapping[str, ResourceConfig]
) -> list[Problem]:
    """Return what is wrong with what an entry means, beside what was told of its form."""
    thing, path = entry.thing, entry.path
    try:
        if isinstance(thing, Binding):
            compile_binding(thing, registry, resources, path)
        else:
            compile_resource(thing, registry, path)
    except Unavailable as error:
        missing = "kind"
        if isinstance(thing, Binding):
            missing = "action" if thing.handler in registry.modules else "handler"
        found: Sequence[Problem] = [Problem(f"{path}.{missing}", error.sentence)]
    except Refused as error:
        found = error.problems
    else:
        return []
    told = tuple(f"{path}.{member}" for member in entry.told)
    return [problem for problem in found if not problem.path.startswith(told)]


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
