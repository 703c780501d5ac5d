"""What the types of tokens have in common."""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, Generic, TypeVar

from attrs import frozen

from whenthen import UserRef
from whenthen.identity import User

__all__ = ["ChallengeType", "Label", "Progress", "State", "TokenType"]

P = TypeVar("P")


@frozen
class State(Generic[P]):
    """What a token's type works with. `shift` is by how many time steps its clock is ahead."""

    seed: bytes
    parameters: P
    counter: int = 0
    count_window: int = 10
    shift: int = 0


@frozen
class Progress:
    """How far a right one-time password takes the token; used up, it never works again."""

    counter: int
    shift: int = 0
    used_up: bool = False


@frozen
class Label:
    """What an authenticator app shows beside a token."""

    serial: str
    issuer: str
    owner: UserRef | None = None

    @property
    def account(self) -> str:
        """The owner's name, or the serial."""
        return self.owner.name if self.owner else self.serial


class TokenType(ABC, Generic[P]):
    """A type of tokens: how they are enrolled and checked. Instances hold no state."""

    name: ClassVar[str]
    prefix: ClassVar[str]
    """What serials begin with."""
    enrolment: type[P]
    """The attrs class of the enrolment's parameters."""

    def fresh_seed(self, parameters: P) -> bytes:
        """Return the seed of a new token; by default 160 random bits (RFC 4226, section 4, R6)."""
        return secrets.token_bytes(20)

    def enrolled(self, state: State[P], label: Label) -> Mapping[str, object]:
        """Return what the holder of the new token needs: secrets, shown this one time."""
        return {}

    @abstractmethod
    def otp_length(self, state: State[P]) -> int:
        """Return how many characters a one-time password has."""

    @abstractmethod
    def check(self, state: State[P], otp: str, now: datetime) -> Progress | None:
        """Return how far a right one-time password takes the token, or None for a wrong one."""

    def resync(self, state: State[P], otp1: str, otp2: str, now: datetime) -> Progress | None:
        """Return how far two one-time passwords in a row take the token, or None.

        Raises:
            ValueError: tokens of this type cannot be synchronised.
        """
        raise ValueError(f"A token of type {self.name} cannot be synchronised.")


class ChallengeType(TokenType[P]):
    """A type whose one-time password is sent to the holder, who has shown the right PIN."""

    medium: ClassVar[str]
    """`email` or `sms`."""

    @abstractmethod
    def code(self, state: State[P], counter: int) -> str:
        """Return the one-time password of a challenge."""

    @abstractmethod
    def address(self, parameters: P, owner: User | None) -> str:
        """Return where the code is sent; empty, if there is no address."""
