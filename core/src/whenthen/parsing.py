"""From JSON values to attrs classes, strictly: every error at once, each with its path.

Nothing is guessed: `"false"` is not `True`, `1` is not `"1"`, an unknown key is refused.
"""

from __future__ import annotations

import functools
import math
import operator
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import attrs

from whenthen.errors import Problem, Refused
from whenthen.options import OptionSpec, spec_of

if TYPE_CHECKING:
    from cattrs import Converter

__all__ = ["join", "parse"]

T = TypeVar("T")
_Hook = Callable[[Any, Any], Any]
_WORDS = {str: "a text", int: "a whole number", bool: "true or false", type(None): "nothing"}
_WORDS |= {dict: "a mapping", list: "a list", tuple: "a list"}


def parse(cls: type[T], raw: object, path: str = "") -> T:
    """Return `raw`, made of JSON values, as an instance of the attrs class `cls`.

    Raises:
        Refused: with every error and its path.
    """
    try:
        return _converter().structure(raw, cls)
    except Exception as error:  # noqa: BLE001  # cattrs groups whatever the hooks raised
        raise Refused(_problems(error, path)) from None


def join(path: str, part: str) -> str:
    """Return the path of the member `part` of what stands at `path`."""
    return f"{path}.{part}" if path else part


@functools.cache
def _converter() -> Converter:
    # Loaded with the first configuration that is parsed, not with the package.
    import cattrs
    from cattrs.cols import homogenous_tuple_structure_factory, mapping_structure_factory

    converter = cattrs.Converter(detailed_validation=True, forbid_extra_keys=True)
    register = converter.register_structure_hook_factory
    register(attrs.has, lambda kind: _class(kind, converter))
    register(_is_tagged, lambda kind: _tagged(kind, converter))
    register(
        lambda kind: _origin(kind) is tuple,
        lambda kind: _after(list, homogenous_tuple_structure_factory(kind, converter)),
    )
    register(
        lambda kind: _origin(kind) is Mapping,
        lambda kind: _after(dict, mapping_structure_factory(kind, converter, dict)),
    )
    register(lambda kind: _origin(kind) is Literal, _one_of)
    register(lambda kind: isinstance(kind, type) and issubclass(kind, Enum), _one_of)
    # Over cattrs's own hooks for these classes, which coerce; they serve subclasses (StrEnum) too.
    for scalar in (int, str, bool):
        converter.register_structure_hook(scalar, _scalar)
    converter.register_structure_hook(float, _number)
    # By identity: a hook registered for a class would serve its subclasses too.
    for kind, hook in {datetime: _time, object: _as_is}.items():
        converter.register_structure_hook_func(functools.partial(operator.is_, kind), hook)
    return converter


def _scalar(raw: object, kind: Any) -> object:
    return _one_of(kind)(raw, kind) if issubclass(kind, Enum) else _expect(raw, kind)


def _as_is(raw: object, _: object) -> object:
    return raw


def _class(cls: type, converter: Converter) -> _Hook:
    from cattrs.gen import make_dict_structure_fn, override

    attrs.resolve_types(cls, include_extras=False)
    fields = attrs.fields(cls)
    build: _Hook = make_dict_structure_fn(
        cls,
        converter,
        **{
            field.name: override(
                omit=not field.init,
                struct_hook=functools.partial(_checked, converter, spec_of(field)),
            )
            for field in fields
        },  # type: ignore[arg-type]  # the keywords are overrides, one for each field
    )
    return _after(dict, build)


def _checked(converter: Converter, spec: OptionSpec, raw: object, kind: Any) -> object:
    if spec.secret and raw is not None:
        return _reference(raw)
    value = converter.structure(raw, kind)
    spec.check(value)
    return value


def _reference(raw: object) -> str:
    """Return a reference to a secret in its short form, `env:NAME` or `file:PATH`."""
    match raw:
        case {"env": str(name), **others} if name and not others:
            return f"env:{name}"
        case {"file": str(name), **others} if name and not others:
            return f"file:{name}"
        case _:
            raise ValueError(
                "expected a reference to the secret, {env: NAME} or {file: PATH}; "
                "secrets do not stand in a configuration"
            )


def _origin(kind: Any) -> Any:  # typing's own forms have no types
    return typing.get_origin(kind)


def _is_tagged(kind: Any) -> bool:
    members = _members(kind)
    return len(members) > 1 and all(map(attrs.has, members))


def _members(kind: Any) -> list[type]:
    """Return what a union is made of, beside None."""
    members = typing.get_args(kind) if _is_union(kind) else ()
    return [member for member in members if member is not type(None)]


def _is_union(kind: Any) -> bool:
    return typing.get_origin(kind) in (typing.Union, types.UnionType)


def _tagged(kind: Any, converter: Converter) -> _Hook:
    classes = {tag_of(member): member for member in _members(kind)}
    may_be_none = type(None) in typing.get_args(kind)

    def choose(raw: Any, _: object) -> object:
        if raw is None and may_be_none:
            return None
        tag = _expect(raw, dict).get("kind")
        if not isinstance(tag, str) or tag not in classes:
            raise ValueError(f"expected `kind` to be one of {', '.join(classes)}, got {tag!r}")
        return converter.structure(raw, classes[tag])

    return choose


def tag_of(cls: type) -> str:
    """Return the value of the field `kind` that tells a class from the others of its union."""
    return str(attrs.fields_dict(cls)["kind"].default)


def _after(expected: type, hook: _Hook) -> _Hook:
    def structure(raw: object, kind: object) -> object:
        return hook(_expect(raw, expected), kind)

    return structure


def _one_of(kind: Any) -> _Hook:
    members = typing.get_args(kind) or [member.value for member in kind]

    def structure(raw: object, _: object) -> object:
        if not isinstance(raw, str) or raw not in members:
            raise ValueError(f"expected one of {', '.join(map(str, members))}, got {raw!r}")
        return raw if typing.get_args(kind) else kind(raw)

    return structure


def _expect(raw: Any, expected: type) -> Any:  # an instance of the type that was expected
    if type(raw) is not expected and not (expected is list and type(raw) is tuple):
        raise ValueError(f"expected {_WORDS[expected]}, got {_described(raw)}")
    return raw


def _described(raw: object) -> str:
    if isinstance(raw, list | tuple | dict):
        return _WORDS[type(raw)]
    return f"{_WORDS.get(type(raw), type(raw).__name__)} ({raw!r})"


def _number(raw: object, _: object) -> float:
    if type(raw) not in (int, float) or not math.isfinite(typing.cast("float", raw)):
        raise ValueError(f"expected a number, got {_described(raw)}")
    return float(typing.cast("float", raw))


def _time(raw: object, _: object) -> datetime:
    try:
        time = raw if isinstance(raw, datetime) else datetime.fromisoformat(str(raw))
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise ValueError(f"expected a time such as 2026-01-31T12:00+00:00, got {raw!r}")
    return time


def _problems(error: BaseException, path: str) -> Iterator[Problem]:
    from cattrs.errors import (
        ClassValidationError,
        ForbiddenExtraKeysError,
        IterableValidationError,
    )

    match error:
        case ClassValidationError() | IterableValidationError():
            noted, others = error.group_exceptions()
            for inner, note in noted:
                yield from _problems(inner, _at(path, note))
            for inner in others:
                yield from _problems(inner, path)
        case ForbiddenExtraKeysError():
            known = ", ".join(field.name for field in attrs.fields(error.cl) if field.init)
            for extra in sorted(error.extra_fields):
                yield Problem(join(path, extra), f"is not known here; known are {known}")
        case Refused():
            yield from error.problems
        case KeyError():
            yield Problem(path, "is required")
        case _:
            yield Problem(path, str(error))


def _at(path: str, note: Any) -> str:
    # Both kinds of note are texts, and every text has a method `index`.
    if hasattr(note, "name"):
        return join(path, note.name)
    index = note.index
    return f"{path}[{index}]" if isinstance(index, int) else join(path, str(index))
