"""Resources and settings as actions get them: parsed, with their secrets filled in."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import attrs
from attrs import frozen

from whenthen.declare import HandlerModule
from whenthen.errors import Refused, SettingsError, Unavailable
from whenthen.options import spec_of
from whenthen.parsing import parse
from whenthen.plan import Plan, compile_resource
from whenthen.registry import Registry

__all__ = ["Configured", "settings_of"]

T = TypeVar("T")


@frozen
class Configured:
    """The resources of the current plan, and the settings of the handler modules."""

    registry: Registry
    _plan: Callable[[], Plan]

    def resource(self, kind: type[T], name: str) -> T:
        """Return a resource, its secrets filled in.

        Raises:
            Unavailable: there is none of that name and kind, or a secret cannot be read.
        """
        config = self._plan().resources.get(name)
        if config is None:
            raise Unavailable(f"There is no resource {name!r}. Apply a file that has it.")
        try:
            options = compile_resource(config, self.registry)
        except Refused as error:
            raise Unavailable(
                f"The resource {name!r} is no longer valid: {error.sentence}"
            ) from error
        if not isinstance(options, kind):
            raise Unavailable(f"The resource {name!r} is a {config.kind}, not a {kind.__name__}.")
        filled: T = _with_secrets(options, name)
        return filled

    def settings(self, module: str, kind: type[T]) -> T:
        """Return the settings of a handler module; raises SettingsError."""
        settings = self.registry.settings(self.registry.modules[module])
        if not isinstance(settings, kind):
            raise SettingsError(
                f"The handler module {module!r} declares no settings of the class {kind.__name__}."
            )
        return settings


def _with_secrets(options: Any, name: str) -> Any:  # an instance of an attrs class
    secrets: dict[str, object] = {}
    for field in attrs.fields(type(options)):
        reference = getattr(options, field.name)
        if spec_of(field).secret and reference:
            secrets[field.name] = _read(reference, f"{field.name} of the resource {name!r}")
    return attrs.evolve(options, **secrets)


def _read(reference: str, whose: str) -> str:
    """Return the secret that `env:NAME` or `file:PATH` refers to."""
    where, _, name = reference.partition(":")
    if where == "env":
        if name not in os.environ:
            raise Unavailable(f"The environment variable {name} is not set; it is the {whose}.")
        return os.environ[name]
    try:
        return Path(name).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise Unavailable(
            f"The file {name} cannot be read ({type(error).__name__}); it is the {whose}."
        ) from error


def settings_of(
    module: HandlerModule, given: Mapping[str, Mapping[str, object]], environ: Mapping[str, str]
) -> Any:  # an instance of the class that the module declares
    """Return a module's settings: those given, then those of the environment, then the defaults.

    Raises:
        SettingsError: one is missing or wrong.
    """
    if module.settings is None:
        return None
    raw: dict[str, object] = {}
    prefix = f"WHENTHEN_{module.name.upper()}_"
    for field in attrs.fields(attrs.resolve_types(module.settings)):
        variable = prefix + field.name.upper()
        if variable in environ:
            raw[field.name] = _typed(environ[variable], field.type)
    raw |= given.get(module.name, {})
    try:
        return parse(module.settings, raw)
    except Refused as error:
        names = ", ".join(prefix + problem.path.upper() for problem in error.problems)
        raise SettingsError(
            f"The settings of the handler module {module.name!r} are wrong: {error.sentence}. "
            f"Set {names} in the environment, or pass settings to whenthen.build()."
        ) from error


def _typed(text: str, kind: object) -> object:
    """Return an environment variable's text as the type that the setting has."""
    if kind is bool and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if kind in (int, float):
        try:
            return int(text) if kind is int else float(text)
        except ValueError:
            return text
    if kind == tuple[str, ...]:
        return [part.strip() for part in text.split(",") if part.strip()]
    return text
