"""JSON Schema (2020-12) of options, from the same declarations that parse them."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Any, Literal

import attrs

from whenthen.options import OptionSpec, spec_of
from whenthen.parsing import tag_of

__all__ = ["json_schema"]

_SCALARS = {bool: "boolean", int: "integer", float: "number", str: "string"}
_SECRET = {
    "type": "object",
    "description": "a reference to the secret: {env: NAME} or {file: PATH}",
    "minProperties": 1,
    "maxProperties": 1,
    "properties": {"env": {"type": "string"}, "file": {"type": "string"}},
    "additionalProperties": False,
}


def json_schema(cls: type | None) -> dict[str, Any]:  # a JSON document is nested without limit
    """Return the JSON Schema of an options class; without one, of no options at all."""
    fields = () if cls is None else attrs.fields(attrs.resolve_types(cls))
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {field.name: _property(field) for field in fields if field.init},
        "additionalProperties": False,
    }
    required = [field.name for field in fields if field.default is attrs.NOTHING]
    return schema | ({"required": required} if required else {})


def _property(field: attrs.Attribute[Any]) -> dict[str, Any]:
    spec = spec_of(field)
    schema: dict[str, Any] = dict(_SECRET) if spec.secret else _type(field.type)
    if spec.summary:
        schema["description"] = spec.summary
    is_factory = isinstance(field.default, attrs.Factory)  # type: ignore[arg-type]  # a class at run time
    if field.default is not attrs.NOTHING and not is_factory and not spec.secret:
        schema["default"] = _plain_default(field.default)
    bounded = schema["anyOf"][0] if "anyOf" in schema else schema  # null, the other, has none
    bounded |= _bounds(spec, bounded.get("type"))
    return schema | _extensions(spec)


def _bounds(spec: OptionSpec, kind: object) -> dict[str, Any]:
    suffix = {"string": "Length", "array": "Items", "object": "Properties"}.get(str(kind), "imum")
    bounds = {f"min{suffix}": spec.minimum, f"max{suffix}": spec.maximum, "pattern": spec.pattern}
    return {key: value for key, value in bounds.items() if value is not None}


def _extensions(spec: OptionSpec) -> dict[str, Any]:
    """Return what JSON Schema has no word for, under names that validators ignore."""
    marks = {
        "x-template": spec.template,
        "x-secret": spec.secret,
        "x-shown-when": dict(spec.shown_when),
        "x-resource": spec.resource and spec.resource.__name__,
        "x-choices": list(spec.choices()) if spec.choices else None,
    }
    return {key: value for key, value in marks.items() if value}


def _type(kind: Any) -> dict[str, Any]:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind in _SCALARS:
        return {"type": _SCALARS[kind]}
    if kind is datetime:
        return {"type": "string", "format": "date-time"}
    if attrs.has(kind):
        return json_schema(kind)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return {"enum": [member.value for member in kind]}
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin is tuple:
        return {"type": "array", "items": _type(arguments[0])}
    if origin is Mapping:
        return {"type": "object", "additionalProperties": _type(arguments[1])}
    if origin in (typing.Union, types.UnionType):
        return _union([member for member in arguments if member is not type(None)], arguments)
    return {}


def _union(members: list[Any], arguments: tuple[Any, ...]) -> dict[str, Any]:
    schemas = [_type(member) for member in members]
    for member, schema in zip(members, schemas, strict=True):
        if attrs.has(member):
            schema["properties"]["kind"] = {"const": tag_of(member)}
            schema["required"] = ["kind", *schema.get("required", [])]
    if type(None) in arguments:
        schemas.append({"type": "null"})
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}


def _plain_default(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return list(value)
    return attrs.asdict(value) if attrs.has(type(value)) else value  # type: ignore[arg-type]  # has() does not narrow
