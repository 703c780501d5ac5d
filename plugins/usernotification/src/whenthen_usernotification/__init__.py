"""Tell users and administrators about events: the user notification handler module of whenthen."""

from __future__ import annotations

from collections.abc import Sequence

from whenthen import HandlerModule, hookimpl

__all__ = ["whenthen_handler_modules"]


@hookimpl
def whenthen_handler_modules() -> Sequence[HandlerModule]:
    """Declare the user notification handler module."""
    from whenthen_usernotification.actions import ACTIONS, RESOURCES
    from whenthen_usernotification.options import Settings

    return [
        HandlerModule(
            "usernotification",
            "Tells users and administrators what happened.",
            actions=ACTIONS,
            settings=Settings,
            resources=RESOURCES,
        )
    ]
