"""The options of the actions that have more than a target."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from whenthen import option
from whenthen_tokenhandler.targets import Targeted

__all__ = ["Enroll", "SetDescription", "SetFailcounter", "SetTokeninfo", "SetTokenrealm"]


@frozen
class Enroll:
    """Enroll a new token."""

    tokentype: str = option("The type of the new token, such as totp", minimum=1)
    assign_to_user: bool = option("Whether it is assigned to the user of the event", default=True)
    realm: tuple[str, ...] = option("The realms that the token is put into", default=())
    parameters: Mapping[str, object] = option(
        "What enrolling this type takes; the host checks it when the action runs", default={}
    )


@frozen
class SetTokenrealm(Targeted):
    """Put tokens into realms."""

    realm: tuple[str, ...] = option("The realms", minimum=1)
    only_realm: bool = option("Whether the tokens leave all their other realms", default=False)


@frozen
class SetDescription(Targeted):
    """Set the description of tokens."""

    description: str = option("The new description", template=True)


@frozen
class SetFailcounter(Targeted):
    """Set the fail counter of tokens."""

    value: int = option("The new value of the fail counter", default=0, minimum=0)


@frozen
class SetTokeninfo(Targeted):
    """Set one entry of the token info of tokens."""

    key: str = option("The name of the entry", minimum=1)
    value: str = option("Its new value", template=True)
