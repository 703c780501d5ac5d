"""The types of tokens."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from whenthen_otpserver.tokens.base import ChallengeType, Label, Progress, State, TokenType

__all__ = ["ChallengeType", "Label", "Progress", "State", "TokenType", "token_type", "types"]


@functools.cache
def types() -> Mapping[str, TokenType[Any]]:  # each has parameters of its own
    """Return the types of tokens by name."""
    from whenthen_otpserver.tokens.oath import Hotp, Totp
    from whenthen_otpserver.tokens.onetime import Paper, Registration
    from whenthen_otpserver.tokens.sent import Email, Sms

    return {each.name: each for each in (Hotp(), Totp(), Registration(), Paper(), Email(), Sms())}


def token_type(name: str) -> TokenType[Any]:  # as above
    """Return a type of tokens; raises LookupError if there is none of that name."""
    found = types().get(name)
    if found is None:
        raise LookupError(f"There is no token type {name!r}; there are {', '.join(types())}.")
    return found
