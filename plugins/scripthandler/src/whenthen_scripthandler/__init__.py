"""Run scripts when events happen: the script handler module of whenthen."""

from __future__ import annotations

from collections.abc import Sequence

from whenthen import HandlerModule, hookimpl

__all__ = ["whenthen_handler_modules"]


@hookimpl
def whenthen_handler_modules() -> Sequence[HandlerModule]:
    """Declare the script handler module."""
    from whenthen_scripthandler.actions import actions
    from whenthen_scripthandler.options import ScriptSettings

    return [
        HandlerModule(
            "scripthandler",
            "Runs the scripts of the script directory.",
            actions=actions,
            settings=ScriptSettings,
        )
    ]
