"""Logging in to this API, and authentication for others."""

from __future__ import annotations

import json

from attrs import frozen

from whenthen import Actor, UserRef, option
from whenthen_otpserver.calls import Answer, Call
from whenthen_otpserver.errors import BadRequest, Unauthorized
from whenthen_otpserver.host import Work
from whenthen_otpserver.settings import Login

__all__ = ["WRONG_CREDENTIALS", "auth", "logged_in", "validate_check"]

WRONG_CREDENTIALS = "Wrong credentials."


@frozen
class _Auth:
    username: str = option("The name of an administrator or a user", minimum=1, maximum=200)
    password: str = option("The password", maximum=1000)
    realm: str = option("The realm of a user", default="")


@frozen
class _Check:
    user: str = option("The user", default="", maximum=200)
    realm: str = option("Their realm", default="")
    resolver: str = option("Their resolver", default="")
    serial: str = option("The token, where no user is named", default="")
    transaction_id: str = option("The challenge that is answered", default="", maximum=40)


def auth(call: Call) -> Answer:
    """Log in: an administrator, or a user; an administrator's name comes first."""
    given, work = call.parameters(_Auth), call.work
    if not given.realm and work.admins.named(given.username) is not None:
        actor = _admin(work, given.username, given.password)
    else:
        ref = UserRef(given.username, given.realm or work.users.default_realm())
        actor = _user(work, ref, given.password)
    if actor is None:
        raise Unauthorized(WRONG_CREDENTIALS)
    claims = json.dumps([actor.role, actor.name, actor.realm])
    value = {
        "token": work.vault.issue(claims.encode()),
        "role": actor.role,
        "username": actor.name,
        "realm": actor.realm,
    }
    return Answer.of(value)


def _admin(work: Work, name: str, password: str) -> Actor | None:
    known = work.admins.verify(name, password)
    return Actor("admin", known.name) if known else None


def _user(work: Work, ref: UserRef, password: str) -> Actor | None:
    if work.settings.user_login is Login.PASSWORD:
        user = work.users.verify(ref, password)
    elif work.checker.check(password, user=ref).authentication == "ACCEPT":
        user = work.users.find(ref)
    else:
        user = None
    return Actor("user", user.name, user.realm) if user else None


def logged_in(work: Work, bearer: str) -> Actor:
    """Return who a bearer token belongs to, if they are still there.

    Raises:
        Unauthorized: it is forged, has expired, or its holder is gone.
    """
    claims = work.vault.claims(bearer, work.settings.session_lifetime)
    if claims is not None:
        actor = Actor(*json.loads(claims))
        if actor.role == "admin":
            known = work.admins.find(actor) is not None
        else:
            known = work.users.find(UserRef(actor.name, actor.realm)) is not None
        if known:
            return actor
    raise Unauthorized("Log in first.")


def validate_check(call: Call) -> Answer:
    """Authenticate: a user or a serial with PIN and one-time password, or a challenge's answer."""
    password = call.request.parameters.get("pass")
    if not isinstance(password, str) or len(password) > 1000:
        raise BadRequest("The parameters are wrong: pass: expected a text.")
    given, work = call.parameters(_Check, without=("pass",)), call.work
    if not (given.user or given.serial or given.transaction_id):
        raise BadRequest("The parameters are wrong: name a user, a serial or a transaction_id.")
    user = call.user if given.user else None
    if given.transaction_id:
        verdict = work.checker.answer(
            given.transaction_id, password, user=user, serial=given.serial
        )
    else:
        verdict = work.checker.check(password, user=user, serial=given.serial)
    work.outgoing.extend(verdict.mails)
    detail: dict[str, object] = {"message": _MESSAGES[verdict.authentication]}
    if verdict.serial:
        detail["serial"] = verdict.serial
    if verdict.transaction:
        detail["transaction_id"] = verdict.transaction
    return Answer.of(verdict.authentication == "ACCEPT", detail, verdict.authentication)


_MESSAGES = {
    "ACCEPT": "The credentials are right.",
    "REJECT": WRONG_CREDENTIALS,
    "CHALLENGE": "A code has been sent; answer with it and the transaction_id.",
}
