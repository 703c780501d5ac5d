"""The parameters of a request, and what the texts of forms and queries stand for."""

from __future__ import annotations

import re
import typing
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import attrs
import flask

from whenthen import Refused, parse
from whenthen_otpserver.errors import BadRequest
from whenthen_otpserver.store import problems_of

__all__ = ["meant", "parsed", "received"]

T = TypeVar("T")
_TRUTH = {"true": True, "1": True, "false": False, "0": False}
_DEEPEST = 20


def received(asked: flask.Request) -> tuple[dict[str, object], frozenset[str]]:
    """Return the parameters of a request, and the names of those that can only be texts.

    What the body has counts more than what the query has.

    Raises:
        BadRequest: the body is no object, a parameter is there twice, or holds no text.
    """
    parameters: dict[str, object] = {}
    texts: set[str] = set()
    for name, values in (*asked.args.lists(), *asked.form.lists()):
        if len(values) > 1:
            raise BadRequest(f"The parameter {name!r} is there more than once.")
        parameters[name] = values[0]
        texts.add(name)
    if asked.is_json and asked.get_data():
        body = asked.get_json()
        if not isinstance(body, dict):
            raise BadRequest("The body is no JSON object.")
        parameters |= body
        texts -= body.keys()
    _check(parameters)
    return parameters, frozenset(texts)


def parsed(kind: type[T], given: Mapping[str, object]) -> T:
    """Return parameters as an instance of an attrs class.

    Raises:
        BadRequest: with everything that is wrong with them; secrets are not repeated.
    """
    try:
        return parse(kind, given)
    except Refused as refused:
        raise BadRequest(problems_of(refused)) from None


def meant(kind: type, given: Mapping[str, object], texts: Iterable[str]) -> dict[str, object]:
    """Return parameters with `texts` as what the fields of an attrs class of that name expect.

    A text that does not stand for such a value is left as it is, and refused by the parser.
    """
    fields = {spot.name: spot.type for spot in attrs.fields(attrs.resolve_types(kind))}
    return {
        name: _as(fields.get(name), value) if name in texts and isinstance(value, str) else value
        for name, value in given.items()
    }


def _as(kind: Any, value: str) -> object:  # a field's type
    kinds = {kind, *typing.get_args(kind)}
    if bool in kinds:
        return _TRUTH.get(value.lower(), value)
    if int in kinds and re.fullmatch(r"-?[0-9]{1,18}", value):
        return int(value)
    if typing.get_origin(kind) is tuple:
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _check(value: object, depth: int = 0) -> None:
    """Refuse texts that databases cannot hold, NUL or half a surrogate pair, and deep nesting."""
    if depth > _DEEPEST:
        raise BadRequest("The body is nested too deeply.")
    match value:
        case str():
            if re.search("[\0\ud800-\udfff]", value):
                raise BadRequest("A parameter is no text.")
        case Mapping():
            for name, item in value.items():
                _check(name)
                _check(item, depth + 1)
        case list():
            for item in value:
                _check(item, depth + 1)
