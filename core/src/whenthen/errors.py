"""One tree of errors: what happened, whose fault it is, what to do next, under stable codes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from attrs import frozen

__all__ = [
    "Aborted",
    "DeclarationError",
    "Missing",
    "NotFound",
    "PluginError",
    "Problem",
    "Refused",
    "SettingsError",
    "StoreError",
    "Unavailable",
    "WhenthenError",
]


class WhenthenError(Exception):
    """The root of every error that whenthen raises on purpose.

    Each class has a stable `code`, which the documentation explains.
    """

    code: ClassVar[str] = "WT-000"

    def __str__(self) -> str:
        return f"{super().__str__()} [{self.code}]"

    @property
    def sentence(self) -> str:
        """The message without the code."""
        return super().__str__()


class DeclarationError(WhenthenError):
    """A plugin declares something that contradicts itself. The plugin's author mends it."""

    code = "WT-101"


class PluginError(WhenthenError):
    """A plugin cannot be used; raised only when whenthen was built with `strict=True`."""

    code = "WT-201"


class Unavailable(WhenthenError):
    """What a binding refers to is not there now: a plugin, a script, a resource, a service.

    The binding stays as it is and works again when the thing is back.
    """

    code = "WT-202"


@frozen
class Problem:
    """One thing that is wrong with a configuration, and where: `bindings[2].options.to`."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class Refused(WhenthenError):
    """A configuration was refused as a whole; `problems` lists everything wrong with it."""

    code = "WT-301"

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(map(str, self.problems)))


class NotFound(WhenthenError):
    """No binding, version or delivery of that name."""

    code = "WT-302"


class Aborted(WhenthenError):
    """A binding with `on_error: abort` failed, so the host's call must not go on."""

    code = "WT-401"

    def __init__(self, binding: str, event_type: str, reason: str) -> None:
        self.binding = binding
        super().__init__(
            f"The binding {binding!r} stopped {event_type!r}: {reason} "
            "An administrator can see its record, or disable it."
        )


class Missing(WhenthenError):
    """A fact cannot be determined; whatever depends on it is unknown. `sentence` is the reason."""

    code = "WT-402"


class StoreError(WhenthenError):
    """The database cannot be used: away, locked, or of another version."""

    code = "WT-501"


class SettingsError(WhenthenError):
    """A setting is wrong; the message names it and says what was expected."""

    code = "WT-601"
