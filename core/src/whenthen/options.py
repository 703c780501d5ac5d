"""Options: the fields of a frozen attrs class.

From one declaration come the strict parsing (`parsing.py`), the JSON Schema (`schema.py`), typed
access in the action, masking, templates and references to resources.
"""

from __future__ import annotations

import copy
import functools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import attrs
from attrs import NOTHING, frozen

__all__ = ["OptionSpec", "option", "spec_of", "walk"]

_KEY = "whenthen"


@frozen
class OptionSpec:
    """What an option declares beside its type and default."""

    summary: str = ""
    minimum: float | None = None
    maximum: float | None = None
    pattern: str | None = None
    choices: Callable[[], Sequence[str]] | None = None
    secret: bool = False
    template: bool = False
    tags: tuple[str, ...] = ()
    shown_when: Mapping[str, str] = attrs.Factory(dict)
    resource: type | None = None

    def check(self, value: object) -> None:
        """Raise ValueError if `value`, already of the right type, is out of bounds."""
        if value is None:
            return
        size: Any = len(value) if isinstance(value, str | tuple | Mapping) else value
        unit = " characters" if isinstance(value, str) else " entries" if size is not value else ""
        if self.minimum is not None and size < self.minimum:
            raise ValueError(f"expected at least {self.minimum:g}{unit}, got {size}")
        if self.maximum is not None and size > self.maximum:
            raise ValueError(f"expected at most {self.maximum:g}{unit}, got {size}")
        if self.pattern is not None and not re.fullmatch(self.pattern, str(value)):
            raise ValueError(f"expected text of the form {self.pattern}, got {value!r}")


def option(
    summary: str = "",
    *,
    default: object = NOTHING,
    minimum: float | None = None,
    maximum: float | None = None,
    pattern: str | None = None,
    choices: Callable[[], Sequence[str]] | None = None,
    secret: bool = False,
    template: bool = False,
    tags: Sequence[str] = (),
    shown_when: Mapping[str, str] | None = None,
    resource: type | None = None,
) -> Any:  # a field specifier, like attrs.field: the annotation beside it gives the type
    """Declare an option as a field of a frozen attrs class.

    Args:
        summary: what it is for, one sentence; the form and the reference show it.
        default: its value if it is not given; without one the option is required.
        minimum: the least number, or number of characters or entries.
        maximum: the greatest.
        pattern: a regular expression that a text must match as a whole; the author's, so trusted.
        choices: what the form offers; called only when a form or a catalog is shown.
        secret: configured only as a reference (`{env: NAME}` or `{file: PATH}`), never shown.
        template: a text with tags, rendered before the action sees it.
        tags: tags of this template that the action itself fills in.
        shown_when: the form shows the option only if those others have these values.
        resource: the option is the name of a resource of this class.
    """
    spec = OptionSpec(
        summary, minimum, maximum, pattern, choices, secret, template, tuple(tags),
        shown_when or {}, resource,
    )  # fmt: skip
    if isinstance(default, list | dict | set):
        default = attrs.Factory(functools.partial(copy.deepcopy, default))
    return attrs.field(
        default=default,
        kw_only=True,
        metadata={_KEY: spec},
        # A template is checked as it was written; what its tags become has no bounds.
        validator=None if template else lambda _self, _field, value: spec.check(value),
    )


def spec_of(field: attrs.Attribute[Any]) -> OptionSpec:
    """Return what `option` declared for a field; a plain attrs field declares nothing."""
    spec = field.metadata.get(_KEY)
    return spec if isinstance(spec, OptionSpec) else OptionSpec()


def walk(options: Any, path: str = "") -> Iterator[tuple[str, OptionSpec, object]]:
    """Yield path, declaration and value of every option, those of nested classes included."""
    for field in attrs.fields(type(options)):
        value, here = getattr(options, field.name), f"{path}.{field.name}" if path else field.name
        yield here, spec_of(field), value
        nested = value if isinstance(value, tuple | list) else (value,)
        for item in nested:
            if attrs.has(type(item)):
                yield from walk(item, here)
