"""Templates: plain text in which `{tag}` stands for a value. Linear, and blind to objects.

A tag is the name that a fact declares (`{serial}`), or any fact by its own name
(`{fact:token.failcount}`). A brace that belongs to no tag is text.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

__all__ = ["FACT_PREFIX", "identifiers", "render", "text_of"]

FACT_PREFIX: Final = "fact:"


class _Template(string.Template):
    delimiter = "{"
    flags = re.NOFLAG  # the base class would ignore case, and `{User}` is text
    # The base class asks for all four groups; the three that can never match are not ours.
    pattern = r"""
        \{(?P<braced>[a-z][a-z0-9_]*|fact:[a-z][A-Za-z0-9_.-]*)\}
        |(?P<named>(?!))|(?P<escaped>(?!))|(?P<invalid>(?!))
    """  # type: ignore[assignment]  # the base class compiles the text


def identifiers(text: str) -> list[str]:
    """Return the tags that `text` names, each once, in order."""
    return _Template(text).get_identifiers()


def render(text: str, values: Mapping[str, str], escape: Callable[[str], str] = str) -> str:
    """Return `text` with each tag replaced by its value, passed through `escape`.

    Values are not looked at again: a value that contains `{user}` stays as it is.
    """
    return _Template(text).safe_substitute({tag: escape(values[tag]) for tag in values})


def text_of(value: object) -> str:
    """Return how a fact's value reads in a text: nothing for None, lists with commas."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case datetime():
            return value.isoformat(sep=" ", timespec="seconds")
        case tuple() | list() | set() | frozenset():
            return ", ".join(sorted(map(text_of, value)))
        case _:
            return str(value)
