"""What this host refuses, and how it says so over HTTP."""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "BadRequest",
    "Conflict",
    "Failure",
    "Forbidden",
    "NotFound",
    "Unauthorized",
    "Unreachable",
]


class Failure(Exception):
    """A call that this host refuses. The message is one sentence for the caller, without secrets.

    `keeps` says that what the operation wrote stays: a failed login counts although it failed.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    keeps: ClassVar[bool] = False


class BadRequest(Failure, ValueError):
    """A parameter is missing or wrong."""

    status = 400
    code = "bad_request"


class Unauthorized(Failure):
    """Nobody is logged in, or the credentials are wrong; it never says which part of them."""

    status = 401
    code = "unauthorized"
    keeps = True


class Forbidden(Failure):
    """Who is logged in may not do this."""

    status = 403
    code = "forbidden"


class NotFound(Failure, LookupError):
    """There is no such token, user, realm or resolver."""

    status = 404
    code = "not_found"


class Conflict(Failure, ValueError):
    """It contradicts what is there: a name that is taken, a token that has an owner."""

    status = 409
    code = "conflict"


class Unreachable(Failure):
    """Something that the call needs is away: the database, a user store, the mail server."""

    status = 503
    code = "unreachable"
