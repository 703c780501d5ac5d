"""The action `enroll`: a new token, by the host's own declaration of what its type takes."""

from __future__ import annotations

from whenthen import Outcome, Problem, Refused, Run, UserRef, parse
from whenthen.identity import TokenStore
from whenthen_tokenhandler.options import Enroll

__all__ = ["enroll"]


def enroll(run: Run[Enroll]) -> Outcome:
    """Enroll a new token."""
    store = run.service(TokenStore)  # type: ignore[type-abstract]  # a protocol is the key of the service
    options = run.options
    owner: UserRef | None = None
    if options.assign_to_user:
        # The user as they are in their store: a token is for nobody who has vanished from there.
        owner = run.need("user").ref
    try:
        declared = store.enrolment(options.tokentype)
    except LookupError:
        known = ", ".join(sorted(store.token_types())) or "none"
        return Outcome.failed(
            f"The host enrolls no tokens of the type {options.tokentype!r}; its types are {known}."
        )
    try:
        parse(declared, dict(options.parameters), "parameters")
    except Refused as refused:
        problems = "; ".join(map(_without_value, refused.problems))
        return Outcome.failed(f"No {options.tokentype} token was enrolled: {problems}.")
    try:
        enrolled = store.enroll(
            options.tokentype, options.parameters, owner=owner, realms=options.realm
        )
    except LookupError:
        return Outcome.failed(
            f"No {options.tokentype} token was enrolled: its user or one of its realms "
            "is not there."
        )
    except ValueError as error:  # its text holds no secret: the contract of TokenStore
        return Outcome.failed(f"No {options.tokentype} token was enrolled: {error}")
    # Only the serial: the rest of what the host answers may be the secret.
    serial = enrolled.token.serial
    return Outcome.done(f"Enrolled {serial} ({options.tokentype}){_for(owner)}.")


def _for(owner: UserRef | None) -> str:
    return f" for {owner.name} in the realm {owner.realm!r}" if owner else ""


def _without_value(problem: Problem) -> str:
    """Return what was expected where, but not what stands there: it may be a PIN."""
    message = problem.message.partition(", got ")[0]
    if not message.startswith(("expected ", "is required", "is not known here")):
        message = "is not what this type takes"
    return f"{problem.path} {message}"
