"""Immutable tables from names to declarations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from attrs import Factory, frozen

from whenthen.declare import (
    Action,
    Condition,
    EventType,
    Fact,
    HandlerModule,
    Resource,
    check_actions,
)
from whenthen.errors import Unavailable, WhenthenError

__all__ = ["Registry"]

T = TypeVar("T", HandlerModule, Condition, Fact, EventType, Resource)


@frozen
class Registry:
    """All that the active plugins declare.

    `absent` says of a handler module that is not there whose plugin was quarantined, and why.
    `settings` returns the settings of a handler module as an instance of its class.
    """

    modules: Mapping[str, HandlerModule] = Factory(dict)
    conditions: Mapping[str, Condition] = Factory(dict)
    facts: Mapping[str, Fact] = Factory(dict)
    event_types: Mapping[str, EventType] = Factory(dict)
    resources: Mapping[str, Resource] = Factory(dict)
    tags: Mapping[str, Fact] = Factory(dict)
    settings: Callable[[HandlerModule], Any] = lambda module: None  # as the module declares
    absent: Callable[[str], str] = lambda name: ""

    def actions(self, module: HandlerModule) -> Sequence[Action]:
        """Return the actions that a handler module has now.

        Raises:
            Unavailable: it says why it has none, or it failed while it was asked.
        """
        if not callable(module.actions):
            return module.actions
        try:
            settings = self.settings(module)
            actions = module.actions(settings)
            check_actions(module.name, actions)
        except WhenthenError as error:
            raise Unavailable(error.sentence) from error
        except Exception as error:
            raise Unavailable(
                f"The handler module {module.name!r} cannot list its actions: it raised "
                f"{type(error).__name__}. Report this to the plugin's author."
            ) from error
        return actions

    def action(self, module_name: str, action_name: str) -> Action:
        """Return an action.

        Raises:
            Unavailable: the handler module or the action is not there.
        """
        module = self.modules.get(module_name)
        if module is None:
            reason = self.absent(module_name) or (
                "Install its plugin, or correct the name; there are "
                f"{', '.join(sorted(self.modules)) or 'none'}."
            )
            raise Unavailable(f"There is no handler module {module_name!r}. {reason}")
        actions = {action.name: action for action in self.actions(module)}
        if action_name not in actions:
            raise Unavailable(
                f"The handler module {module_name!r} has no action {action_name!r}; "
                f"it has {', '.join(sorted(actions)) or 'none'}."
            )
        return actions[action_name]

    def fact(self, name: str) -> tuple[Fact, str] | None:
        """Return the fact that a name stands for, and the key in it: `token.info.vendor`."""
        if name in self.facts:
            return self.facts[name], ""
        for stem in _stems(name):
            fact = self.facts.get(stem)
            if fact is not None and fact.type is dict:
                return fact, name[len(stem) + 1 :]
        return None

    def resource_kind(self, kind: type) -> Resource | None:
        """Return the declaration whose options class is `kind`."""
        return next((item for item in self.resources.values() if item.options is kind), None)

    def secrets(self, event_type: str) -> frozenset[str]:
        """Return the names of the secret parameters of an event type."""
        declared = self.event_types.get(event_type)
        return declared.secrets if declared else frozenset()


def _stems(name: str) -> Iterator[str]:
    while "." in name:
        name = name.rpartition(".")[0]
        yield name
