"""What hosts of the first kind, authentication servers, offer: users, tokens, administrators.

Nothing in the engine knows these names; the basic facts and the handler modules ask for them by
type. A host registers its implementations in the hook `whenthen_services`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from attrs import Factory, frozen

from whenthen.event import Actor, UserRef

__all__ = ["AdminDirectory", "Enrolled", "Token", "TokenStore", "User", "UserDirectory"]


@frozen
class User:
    """A user as the host knows them; `attributes` are such as `email`, `mobile`, `givenname`."""

    name: str
    realm: str
    resolver: str
    attributes: Mapping[str, str] = Factory(dict)

    @property
    def ref(self) -> UserRef:
        """The reference that names this user."""
        return UserRef(self.name, self.realm, self.resolver)


@frozen
class Token:
    """The state of a token at one moment; changes go through the `TokenStore`."""

    serial: str
    type: str
    owner: UserRef | None = None
    realms: frozenset[str] = frozenset()
    enabled: bool = True
    revoked: bool = False
    description: str = ""
    failcount: int = 0
    max_failcount: int = 10
    counter: int = 0
    count_window: int = 10
    rollout_state: str = ""
    valid_from: datetime | None = None
    valid_till: datetime | None = None
    info: Mapping[str, str] = Factory(dict)

    @property
    def locked(self) -> bool:
        """Whether the fail counter has reached its maximum."""
        return self.failcount >= self.max_failcount


@frozen
class Enrolled:
    """A token just enrolled. `detail` may hold secrets: the KEY URI, the printed passwords."""

    token: Token
    detail: Mapping[str, object] = Factory(dict)


class TokenStore(Protocol):
    """The host's tokens. Every change happens in the host's current transaction.

    A method that changes a token raises LookupError if the serial names none, and ValueError,
    with a sentence that holds no secret, if the change is not possible.
    """

    def get(self, serial: str) -> Token | None:
        """Return the token, or None."""

    def owned_by(self, owner: UserRef) -> Sequence[Token]:
        """Return the tokens assigned to a user."""

    def enrolment(self, token_type: str) -> type:
        """Return the attrs class of the parameters that enrolling this type takes.

        Raises:
            LookupError: there is no such type.
        """

    def token_types(self) -> Sequence[str]:
        """Return the types that can be enrolled."""

    def enroll(
        self,
        token_type: str,
        parameters: Mapping[str, object],
        *,
        owner: UserRef | None = None,
        realms: Sequence[str] = (),
    ) -> Enrolled:
        """Make a new token with fresh secrets; `parameters` are those of `enrolment`."""

    def delete(self, serial: str) -> None:
        """Delete a token for good."""

    def unassign(self, serial: str) -> None:
        """Take a token from its owner."""

    def set_enabled(self, serial: str, enabled: bool) -> None:
        """Enable or disable a token."""

    def set_realms(self, serial: str, realms: Sequence[str]) -> None:
        """Make `realms` the realms that a token is in."""

    def set_description(self, serial: str, description: str) -> None:
        """Describe a token."""

    def set_failcount(self, serial: str, failcount: int) -> None:
        """Set the fail counter."""

    def set_info(self, serial: str, key: str, value: str) -> None:
        """Set one entry of the token's info."""


class UserDirectory(Protocol):
    """The host's users. A method may raise: then what depends on it is unknown."""

    def find(self, user: UserRef) -> User | None:
        """Return the user as the store has them now, or None if they are not there."""

    def in_realm(self, realm: str) -> Sequence[User]:
        """Return the users of a realm."""

    def realms(self) -> Sequence[str]:
        """Return the names of the realms."""


class AdminDirectory(Protocol):
    """The host's administrators."""

    def find(self, admin: Actor) -> User | None:
        """Return the administrator with their attributes, or None."""

    def named(self, name: str) -> User | None:
        """Return an internal administrator by name, or None."""
