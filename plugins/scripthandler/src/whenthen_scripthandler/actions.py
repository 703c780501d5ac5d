"""Each script of the script directory as an action."""

from __future__ import annotations

import functools
import json
import os
import time
from collections.abc import Sequence

from whenthen import Action, Effect, Outcome, Run
from whenthen_scripthandler.directory import open_directory, script_in, scripts_in
from whenthen_scripthandler.options import (
    ARGUMENTS,
    LONGEST_SECONDS,
    ScriptOptions,
    ScriptSettings,
    facts_of,
)
from whenthen_scripthandler.process import GRACE_SECONDS, Ended, run_program

__all__ = ["actions"]

_ENDING_SECONDS = GRACE_SECONDS + 0.25


def actions(settings: ScriptSettings) -> Sequence[Action]:
    """Return an action for each script that the directory has now.

    Raises:
        Unavailable: the directory is not set, not there, not to be read, or not safe.
    """
    return [
        Action(
            name,
            functools.partial(_run_script, name),
            options=ScriptOptions,
            effect=Effect.EXTERNAL,
            summary=f"Run the script {name}.",
            facts=facts_of,
            time_limit=LONGEST_SECONDS + _ENDING_SECONDS,
        )
        for name in scripts_in(open_directory(settings.directory))
    ]


def _run_script(name: str, run: Run[ScriptOptions]) -> Outcome:
    # Looked at again: since the actions were listed, the file may have changed.
    path = script_in(open_directory(run.settings(ScriptSettings).directory), name)
    options = run.options
    arguments = [f"--{argument}={_value(run, fact)}" for argument, fact in _asked(options)]
    for argument in arguments:
        if not _can_be_passed(argument):
            return Outcome.failed(
                f"The script {name!r} was not run: the value of {argument.partition('=')[0]} has "
                "a character that no argument of a process can hold.",
                permanent=True,
            )
    given = b""
    if options.stdin == "event":
        given = json.dumps(run.event.masked(run.secrets)).encode()
    seconds = min(options.timeout, run.deadline - time.monotonic() - _ENDING_SECONDS)
    if seconds <= 0:
        return Outcome.failed(f"The script {name!r} was not run: no time was left for it.")
    try:
        ended = run_program([str(path), *arguments], _environ(run), given, seconds)
    except OSError as error:
        return Outcome.failed(
            f"The script {name!r} could not be started ({type(error).__name__}). Look at its first "
            "line, which has to be #! and the path of an interpreter that is there; or an argument "
            "is too long."
        )
    return _outcome(name, ended, seconds, options)


def _asked(options: ScriptOptions) -> Sequence[tuple[str, str]]:
    wanted = set(facts_of(options))
    return [(argument, fact) for argument, fact in ARGUMENTS.items() if fact in wanted]


def _value(run: Run[ScriptOptions], fact: str) -> str:
    return str(run.fact(fact) or "none")


def _can_be_passed(argument: str) -> bool:
    try:
        return b"\0" not in os.fsencode(argument)
    except UnicodeEncodeError:
        return False


def _environ(run: Run[ScriptOptions]) -> dict[str, str]:
    allowed = {name: os.environ[name] for name in run.options.environment if name in os.environ}
    delivery = run.delivery.id if run.delivery else ""
    return {"PATH": "/usr/bin:/bin"} | allowed | {"WHENTHEN_DELIVERY_ID": delivery}


def _outcome(name: str, ended: Ended, seconds: float, options: ScriptOptions) -> Outcome:
    output = _readable(ended)
    if ended.timed_out:
        return Outcome.failed(
            f"The script {name!r} did not end within {seconds:.3g} seconds and was killed; "
            f"it wrote {output}"
        )
    how = f"with status {ended.status}"
    if ended.status < 0:
        how = f"by signal {-ended.status}"
    detail = f"The script {name!r} ended {how}; it wrote {output}"
    if ended.status != 0 and options.raise_error:
        return Outcome.failed(detail)
    return Outcome.done(detail)


def _readable(ended: Ended) -> str:
    """Return the output as one line: nothing in it can pass for a line of a log."""
    text = ended.output.decode(errors="replace").strip().replace("\n", " ⏎ ")
    text = "".join(character if character.isprintable() else "�" for character in text)
    return (text or "nothing") + (" … and more, which was dropped." if ended.truncated else "")
