"""The basic facts and conditions, registered through the same hooks as any plugin's."""

from __future__ import annotations

from collections.abc import Sequence

from whenthen import Condition, Fact, hookimpl

__all__: list[str] = []


@hookimpl
def whenthen_facts() -> Sequence[Fact]:
    from whenthen.basic.event_facts import EVENT_FACTS
    from whenthen.basic.identity_facts import IDENTITY_FACTS

    return [*EVENT_FACTS, *IDENTITY_FACTS]


@hookimpl
def whenthen_conditions() -> Sequence[Condition]:
    from whenthen.basic.conditions import CONDITIONS

    return CONDITIONS
