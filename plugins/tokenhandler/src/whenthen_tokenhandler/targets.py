"""Which tokens an action changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from attrs import frozen

from whenthen import Run, option
from whenthen.identity import Token

__all__ = ["Target", "Targeted", "TokenOfEvent", "UserTokens", "tokens_of"]


@frozen
class TokenOfEvent:
    """The token of the event: its serial in the request or the answer, or the user's only one."""

    kind: Literal["token"] = "token"


@frozen
class UserTokens:
    """All tokens of the user, or those of some types, or only the enabled or disabled ones."""

    kind: Literal["user_tokens"] = "user_tokens"
    type: tuple[str, ...] = option("Only tokens of these types", default=())
    active: bool | None = option("Only enabled, or only disabled tokens", default=None)

    def wants(self, token: Token) -> bool:
        """Return whether a token of the user is meant."""
        of_type = not self.type or token.type.lower() in {name.lower() for name in self.type}
        return of_type and (self.active is None or token.enabled is self.active)


Target = TokenOfEvent | UserTokens


@frozen
class Targeted:
    """The option that every action on existing tokens has."""

    target: Target = option("Which tokens it changes", default=TokenOfEvent())


def tokens_of(run: Run[Targeted]) -> Sequence[Token]:
    """Return the tokens that the action is to change; there may be none.

    Raises:
        Missing: the event has no token, or no user.
    """
    match run.configured.target:
        case TokenOfEvent():
            return [run.need("token")]
        case UserTokens() as wanted:
            return [token for token in run.need("user.tokens") if wanted.wants(token)]
