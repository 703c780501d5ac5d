"""The options of the actions, and the settings of the module."""

from __future__ import annotations

from typing import Literal

from attrs import frozen

from whenthen import option
from whenthen_usernotification.addresses import is_address
from whenthen_usernotification.mail_server import MailServer

__all__ = [
    "AdminRealm", "Email", "InternalAdmin", "LoggedInUser", "SaveFile", "Selector", "SendMail",
    "Settings", "TokenOwner",
]  # fmt: skip

_ATTRIBUTE = "The attribute that holds the address"
_OWN_TAGS = ("recipient_givenname", "recipient_surname")


@frozen
class TokenOwner:
    """The owner of the event's token."""

    kind: Literal["token_owner"] = "token_owner"
    attribute: str = option(_ATTRIBUTE, default="email", minimum=1)


@frozen
class LoggedInUser:
    """Who called: the user or administrator who is logged in."""

    kind: Literal["logged_in_user"] = "logged_in_user"
    attribute: str = option(_ATTRIBUTE, default="email", minimum=1)


@frozen
class AdminRealm:
    """Everybody in a realm, such as a realm of administrators."""

    kind: Literal["admin_realm"] = "admin_realm"
    realm: str = option("The realm", minimum=1)
    attribute: str = option(_ATTRIBUTE, default="email", minimum=1)


@frozen
class InternalAdmin:
    """One administrator that the host itself knows."""

    kind: Literal["internal_admin"] = "internal_admin"
    name: str = option("The administrator's name", minimum=1)
    attribute: str = option(_ATTRIBUTE, default="email", minimum=1)


@frozen
class Email:
    """Fixed addresses."""

    kind: Literal["email"] = "email"
    addresses: tuple[str, ...] = option("The addresses, one in each", minimum=1, template=True)

    def __attrs_post_init__(self) -> None:
        for address in self.addresses:
            if "{" not in address and not is_address(address):
                raise ValueError(f"addresses: expected one mail address, got {address!r}")


Selector = TokenOwner | LoggedInUser | AdminRealm | InternalAdmin | Email


@frozen
class SendMail:
    """Send a mail, to each recipient their own."""

    mail_server: str = option("The mail server", resource=MailServer)
    to: Selector = option("Who gets it")
    reply_to: Selector | None = option("Who gets the answers; by default the sender", default=None)
    subject: str = option("The subject", template=True, tags=_OWN_TAGS, minimum=1)
    body: str = option("The text", template=True, tags=_OWN_TAGS)
    mimetype: Literal["plain", "html"] = option(
        "plain, or html, which is sent with a plain alternative", default="plain"
    )
    max_recipients: int = option(
        "More recipients than that are refused", default=20, minimum=1, maximum=500
    )


@frozen
class SaveFile:
    """Write a text into a file in the spool directory."""

    filename: str = option(
        "The file's name, without a folder; {random} is never the same twice",
        template=True, tags=("random",), default="{random}.txt", minimum=1,
    )  # fmt: skip
    body: str = option("The text", template=True)
    overwrite: bool = option("Whether a file of that name is replaced", default=False)

    def __attrs_post_init__(self) -> None:
        name = self.filename
        if "/" in name or not name.isprintable() or name.startswith((".", "-")):
            raise ValueError(
                "filename: expected a name without / and control characters that does not start "
                f"with . or -, got {name!r}"
            )


@frozen
class Settings:
    """The settings of the module."""

    spool_directory: str | None = option("The folder that savefile writes into", default=None)
