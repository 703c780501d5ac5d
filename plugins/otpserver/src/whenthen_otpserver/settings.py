"""The settings of this host, in one place."""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

from whenthen import option

__all__ = ["Login", "Settings", "Smtp", "Tls"]


class Tls(StrEnum):
    """How a connection to a mail server is protected."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


class Login(StrEnum):
    """What users (not administrators) log in with at `/auth`."""

    PASSWORD = "password"  # noqa: S105  # the name of a choice
    """The password of their user store."""
    TOKEN = "token"  # noqa: S105  # as above
    """The PIN and one-time password of a token of theirs."""


@frozen
class Smtp:
    """The mail server that the codes of email and sms tokens go through."""

    host: str = option("Its host name")
    port: int = option("Its port", default=25, minimum=1, maximum=65535)
    sender: str = option("The address that mails come from", default="otpserver@localhost")
    tls: Tls = option("How the connection is protected", default=Tls.NONE)
    user: str = option("The login name, if it asks for one", default="")
    password: str = option("The password that goes with it", default="")
    timeout: float = option("Seconds to wait for it", default=5.0, minimum=0.1, maximum=60)


@frozen
class Settings:
    """All that an operator chooses. The defaults are those of an embedded server."""

    database_url: str = option("The database", default="sqlite:///otpserver.db")
    key_file: str = option(
        "The file of the keys that seeds are encrypted with, newest first; made if it is not there."
        " WHENTHEN_OTPSERVER_KEYS in the environment, separated by commas, takes its place",
        default="otpserver.key",
    )
    session_lifetime: int = option("Seconds that a login lasts", default=3600, minimum=1)
    challenge_lifetime: int = option("Seconds that a challenge is open", default=120, minimum=1)
    user_login: Login = option("What users log in with", default=Login.PASSWORD)
    smtp: Smtp | None = option("The mail server; without one there are no codes", default=None)
    sms_address: str = option(
        "The mail address that becomes a text message, such as {phone}@sms.example.com", default=""
    )
    issuer: str = option("The name that authenticator apps show", default="whenthen", minimum=1)
    max_body: int = option("The most bytes that a request may have", default=65536, minimum=1024)
    hash_time: int = option("Iterations of a password hash (argon2)", default=3, minimum=1)
    hash_memory: int = option("Memory of a password hash, in KiB", default=65536, minimum=8)
