"""The actions of the token handler module.

Each changes the host's tokens in the host's transaction. One token that cannot be changed fails the
action as a whole, so that the engine undoes what it did to the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from whenthen import Action, Effect, Outcome, Run
from whenthen.identity import Token, TokenStore
from whenthen_tokenhandler.enrolment import enroll
from whenthen_tokenhandler.options import (
    Enroll,
    SetDescription,
    SetFailcounter,
    SetTokeninfo,
    SetTokenrealm,
)
from whenthen_tokenhandler.targets import Targeted, tokens_of

__all__ = ["ACTIONS"]

O = TypeVar("O", bound=Targeted)  # noqa: E741  # O as in options
_Change = Callable[[TokenStore, Token, O], None]


def _delete(store: TokenStore, token: Token, _options: Targeted) -> None:
    store.delete(token.serial)


def _unassign(store: TokenStore, token: Token, _options: Targeted) -> None:
    store.unassign(token.serial)


def _disable(store: TokenStore, token: Token, _options: Targeted) -> None:
    store.set_enabled(token.serial, False)


def _enable(store: TokenStore, token: Token, _options: Targeted) -> None:
    store.set_enabled(token.serial, True)


def _set_tokenrealm(store: TokenStore, token: Token, options: SetTokenrealm) -> None:
    kept = frozenset() if options.only_realm else token.realms
    store.set_realms(token.serial, sorted(kept.union(options.realm)))


def _set_description(store: TokenStore, token: Token, options: SetDescription) -> None:
    store.set_description(token.serial, options.description)


def _set_failcounter(store: TokenStore, token: Token, options: SetFailcounter) -> None:
    store.set_failcount(token.serial, options.value)


def _set_tokeninfo(store: TokenStore, token: Token, options: SetTokeninfo) -> None:
    store.set_info(token.serial, options.key, options.value)


def _on_each(name: str, change: _Change[O]) -> Callable[[Run[O]], Outcome]:
    """Return the function that makes a change to each token that the action is to change."""

    def run_on_each(run: Run[O]) -> Outcome:
        store = run.service(TokenStore)  # type: ignore[type-abstract]  # a protocol is the key of the service
        tokens = tokens_of(run)  # type: ignore[arg-type]  # Run is invariant in its options
        if not tokens:
            return Outcome.unknown("The user has no such token.")
        options = run.options
        for token in tokens:
            try:
                change(store, token, options)
            except LookupError:
                return Outcome.failed(f"{name}: there is no token {token.serial} any more.")
            except ValueError as error:  # its text holds no secret: the contract of TokenStore
                return Outcome.failed(f"{name}: the token {token.serial} was refused: {error}")
        return Outcome.done(f"{name}: {_listed(tokens)}.")

    return run_on_each


def _listed(tokens: Sequence[Token]) -> str:
    return ", ".join(token.serial for token in tokens)


def _action(
    name: str, change: _Change[Any], options: type[Targeted] = Targeted, summary: str = ""
) -> Action:
    return Action(
        name,
        _on_each(name, change),
        options=options,
        effect=Effect.LOCAL,
        summary=summary or (options.__doc__ or "").strip(),
    )


ACTIONS = [
    Action("enroll", enroll, options=Enroll, effect=Effect.LOCAL),
    _action("delete", _delete, summary="Delete tokens for good."),
    _action("unassign", _unassign, summary="Take tokens from their owner."),
    _action("disable", _disable, summary="Disable tokens."),
    _action("enable", _enable, summary="Enable tokens."),
    _action("set_tokenrealm", _set_tokenrealm, SetTokenrealm),
    _action("set_description", _set_description, SetDescription),
    _action("set_failcounter", _set_failcounter, SetFailcounter),
    _action("set_tokeninfo", _set_tokeninfo, SetTokeninfo),
]
