"""The resource that mails go through."""

from __future__ import annotations

from typing import Literal

from attrs import frozen

from whenthen import option
from whenthen_usernotification.addresses import is_address, split_sender

__all__ = ["MailServer"]

_PORTS = {"none": 25, "starttls": 587, "tls": 465}
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@frozen
class MailServer:
    """A server that takes mails over SMTP. Its certificate is always verified."""

    host: str = option("Its name or IP address", minimum=1, pattern=r"[A-Za-z0-9_.:-]+")
    port: int | None = option(
        "Its port; by default 25 for tls none, 587 for starttls, 465 for tls",
        default=None, minimum=1, maximum=65535,
    )  # fmt: skip
    tls: Literal["none", "starttls", "tls"] = option(
        "Whether the connection is encrypted: not at all, after STARTTLS, from the start",
        default="starttls",
    )
    ca_file: str | None = option(
        "A file of certificates (PEM) of the authorities to trust instead of the system's",
        default=None,
    )
    user: str | None = option("Who logs in; by default nobody does", default=None, minimum=1)
    password: str | None = option("The user's password", default=None, secret=True)
    sender: str = option("Whom the mails are from: an address, or Name <address>", minimum=3)
    timeout: float = option(
        "Seconds to wait for each of its answers", default=10.0, minimum=0.1, maximum=25
    )

    def __attrs_post_init__(self) -> None:
        if not is_address(split_sender(self.sender)[1]):
            raise ValueError("sender: expected one address, or Name <address>")
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password: expected both or neither")
        if self.user is not None and self.tls == "none" and self.host not in _LOOPBACK:
            raise ValueError(
                "user and password are sent encrypted only: set tls to starttls or tls"
            )

    @property
    def at(self) -> int:
        """The port: the one given, else the usual one."""
        return self.port or _PORTS[self.tls]
