"""Change tokens when events happen: the token handler module of whenthen."""

from __future__ import annotations

from collections.abc import Sequence

from whenthen import HandlerModule, hookimpl

__all__ = ["whenthen_handler_modules"]


@hookimpl
def whenthen_handler_modules() -> Sequence[HandlerModule]:
    """Declare the token handler module."""
    from whenthen_tokenhandler.actions import ACTIONS

    return [HandlerModule("tokenhandler", "Changes tokens of the host.", actions=ACTIONS)]
