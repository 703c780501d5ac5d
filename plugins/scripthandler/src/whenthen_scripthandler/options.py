"""The settings of the script handler module, and the options of each script."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from attrs import frozen

from whenthen import option

__all__ = ["ARGUMENTS", "LONGEST_SECONDS", "ScriptOptions", "ScriptSettings", "facts_of"]

LONGEST_SECONDS = 300.0

ARGUMENTS = {
    "serial": "token.serial",
    "user": "user.name",
    "realm": "user.realm",
    "logged_in_user": "actor.name",
    "logged_in_role": "actor.role",
}
"""The arguments that a script can be given, and the facts that they are."""


@frozen
class ScriptSettings:
    """Where the scripts are."""

    directory: str = option("The directory whose scripts are the actions", default="")


@frozen
class ScriptOptions:
    """Run a script of the script directory."""

    raise_error: bool = option("Whether an exit status other than 0 is a failure", default=False)
    serial: bool = option("Pass the serial of the token as --serial=…", default=False)
    user: bool = option("Pass the name of the user as --user=…", default=False)
    realm: bool = option("Pass the realm of the user as --realm=…", default=False)
    logged_in_user: bool = option("Pass who called as --logged_in_user=…", default=False)
    logged_in_role: bool = option("Pass their role as --logged_in_role=…", default=False)
    stdin: Literal["none", "event"] = option(
        "What stands on standard input: nothing, or the event as JSON", default="none"
    )
    timeout: float = option(
        "Seconds after which it is killed, with all that it started",
        default=10.0,
        minimum=0.1,
        maximum=LONGEST_SECONDS,
    )
    environment: tuple[str, ...] = option(
        "Names of environment variables that the script sees beside PATH", default=()
    )


def facts_of(options: ScriptOptions) -> Iterator[str]:
    """Return the facts that are asked for as arguments."""
    return (fact for name, fact in ARGUMENTS.items() if getattr(options, name))
