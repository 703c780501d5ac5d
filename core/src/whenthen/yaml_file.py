"""YAML files read with limits: no duplicate keys, no objects, no alias bombs."""

from __future__ import annotations

from datetime import date
from io import StringIO
from typing import Any, Final

from whenthen.errors import Problem, Refused
from whenthen.outcome import storable

__all__ = ["dump_yaml", "load_yaml"]

DEEPEST: Final = 30
MOST_NODES: Final = 1_000_000
MOST_BYTES: Final = 64 * 1024 * 1024


def load_yaml(text: str) -> Any:  # JSON values
    """Return what a YAML text says, as JSON values.

    Raises:
        Refused: it is not YAML, has duplicate keys, or is nested or repeated beyond reason.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.constructor import DuplicateKeyError
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    yaml = YAML(typ="safe", pure=True)
    try:
        if len(text) > MOST_BYTES:
            raise ValueError(f"the file is larger than {MOST_BYTES} bytes")  # one place refuses
        _check_depth(yaml.parse(StringIO(text)))
        nodes = yaml.compose(StringIO(text))
        if nodes is None:
            return None
        _check_size(nodes)
        return _plain(yaml.constructor.construct_document(nodes))
    except DuplicateKeyError as error:
        problem = str(error.problem or "a duplicate key").partition(" with value")[0]
        raise Refused([Problem(_place(error), problem)]) from None
    except MarkedYAMLError as error:
        said = " ".join(filter(None, (error.context, error.problem)))
        raise Refused([Problem(_place(error), f"is not YAML: {said}")]) from None
    except (YAMLError, ValueError, LookupError, RecursionError) as error:
        raise Refused([Problem("", f"The file is refused: {error}")]) from None


def dump_yaml(value: object) -> str:
    """Return JSON values as YAML, in their own order, texts of several lines as blocks."""
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.default_flow_style = False
    yaml.width = 100
    yaml.indent(mapping=2, sequence=4, offset=2)
    stream = StringIO()
    yaml.dump(_styled(value), stream)
    return stream.getvalue()


def _styled(value: Any) -> Any:
    """Return a value with the style of each text: what a block would spoil stands in quotes."""
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString, preserve_literal

    match value:
        case dict():
            return {_styled(key): _styled(item) for key, item in value.items()}
        case list():
            return [_styled(item) for item in value]
        case str() if not value.replace("\n", "").isprintable():
            return DoubleQuotedScalarString(value)
        case str() if "\n" in value:
            return preserve_literal(value)
        case _:
            return value


def _place(error: Any) -> str:  # ruamel's errors have no types
    mark = error.problem_mark or error.context_mark
    return f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""


def _check_depth(events: Any) -> None:
    """Refuse a text that is nested too deeply, before anything recursive sees it."""
    depth = 0
    for count, event in enumerate(events):
        kind = type(event).__name__
        depth += kind.endswith(("MappingStartEvent", "SequenceStartEvent"))
        depth -= kind.endswith(("MappingEndEvent", "SequenceEndEvent"))
        if depth > DEEPEST:
            raise ValueError(f"it is nested deeper than {DEEPEST} levels")
        if count > MOST_NODES:
            raise ValueError(f"it has more than {MOST_NODES} nodes")


def _check_size(root: Any) -> None:
    """Refuse a text that its aliases make many times larger than it looks, or endless."""
    sizes: dict[int, int] = {}

    def size(node: Any) -> int:
        known = sizes.get(id(node))
        if known is not None:
            return known
        sizes[id(node)] = MOST_NODES + 1  # until it is known: an alias to a parent is endless
        children: list[Any] = []
        if not isinstance(node.value, str):
            for item in node.value:
                children += item if isinstance(item, tuple) else (item,)
        sizes[id(node)] = 1 + sum(map(size, children))
        return sizes[id(node)]

    if size(root) > MOST_NODES:
        raise ValueError(f"its aliases make it larger than {MOST_NODES} nodes")


def _plain(value: Any) -> Any:
    """Return a constructed value as JSON values; YAML's own types have no place in a binding."""
    match value:
        case dict():
            for key in value:
                if not isinstance(key, str):
                    raise ValueError(f"the key {key!r} is no text; put it in quotes")
            return {key: _plain(item) for key, item in value.items()}
        case list():
            return [_plain(item) for item in value]
        case date():
            return value.isoformat()
        case str() if value != storable(value):
            raise ValueError(f"the text {value!r} has a character that cannot be stored")
        case None | bool() | int() | float() | str():
            return value
        case _:
            raise ValueError(f"a {type(value).__name__} cannot be configured")
