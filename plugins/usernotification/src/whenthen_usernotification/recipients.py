"""Who gets a mail: from a selector to people with their addresses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import frozen

from whenthen import Run
from whenthen.identity import AdminDirectory, User, UserDirectory
from whenthen_usernotification.options import (
    AdminRealm,
    Email,
    InternalAdmin,
    LoggedInUser,
    Selector,
    SendMail,
    TokenOwner,
)

__all__ = ["Recipient", "Selected", "facts_of", "look_up", "select"]

_NAMES = ("givenname", "surname")


@frozen
class Recipient:
    """One recipient. `label` says who it is in outcomes, without their address."""

    label: str
    address: str
    givenname: str = ""
    surname: str = ""


@frozen
class Selected:
    """Who was selected: `count` of them, of whom at most those that may get a mail are listed.

    `without` have no address; `nobody` says why nobody was selected.
    """

    recipients: tuple[Recipient, ...] = ()
    count: int = 0
    without: int = 0
    nobody: str = ""


def facts_of(selector: Selector | None) -> Sequence[str]:
    """Return the facts that a selector reads."""
    match selector:
        case TokenOwner():
            return ("owner.attributes",)
        case LoggedInUser():
            return ("actor.attributes",)
        case _:
            return ()


def look_up(selector: Selector | None, run: Run[SendMail], most: int) -> Mapping[str, object]:
    """Return what only the host's call can tell: the people whom a selector names.

    No more of them are listed, and so stored with the delivery, than may get a mail.

    Raises:
        Missing: the host offers no such directory.
    """
    match selector:
        case AdminRealm():
            directory = run.service(UserDirectory)  # type: ignore[type-abstract]  # a protocol is the key of the service
            found: Iterable[User] = directory.in_realm(selector.realm)
        case InternalAdmin():
            admin = run.service(AdminDirectory).named(selector.name)  # type: ignore[type-abstract]  # as above
            found = [] if admin is None else [admin]
        case _:
            return {}
    everybody = list(found)
    people = [user for user in everybody if user.attributes.get(selector.attribute)]
    wanted = (selector.attribute, *_NAMES)
    return {
        "count": len(people),
        "without": len(everybody) - len(people),
        "people": [
            {"name": user.name, "attributes": _only(user.attributes, wanted)}
            for user in people[:most]
        ],
    }


def select(selector: Selector, run: Run[SendMail], looked_up: object) -> Selected:
    """Return whom a selector selects; `looked_up` is what `look_up` returned."""
    match selector:
        case TokenOwner():
            return _one(
                run, "owner.attributes", selector.attribute, "the token's owner",
                "the event has no token, the token has no owner, or the owner is not in the user "
                "store",
            )  # fmt: skip
        case LoggedInUser():
            return _one(
                run, "actor.attributes", selector.attribute, "the logged-in user",
                "nobody is logged in, or who is logged in is not in the directory",
            )  # fmt: skip
        case Email():
            return _fixed([run.render(address) for address in selector.addresses])
        case InternalAdmin():
            return _people(looked_up, "the administrator", selector.attribute,
                           f"there is no internal administrator {selector.name!r}")  # fmt: skip
        case AdminRealm():
            return _people(looked_up, "the user", selector.attribute,
                           f"nobody is in the realm {selector.realm!r}")  # fmt: skip


def _one(run: Run[SendMail], fact: str, attribute: str, label: str, nobody: str) -> Selected:
    attributes = run.fact(fact)
    if attributes is None:
        return Selected(nobody=nobody)
    if not attributes.get(attribute):
        return Selected(without=1, nobody=f"{label} has no attribute {attribute!r}")
    return Selected((_recipient(label, attributes, attribute),), count=1)


def _fixed(texts: Sequence[str]) -> Selected:
    addresses = list(dict.fromkeys(text.strip() for text in texts if text.strip()))
    recipients = tuple(
        Recipient(f"address {number}", address) for number, address in enumerate(addresses, 1)
    )
    nobody = "" if recipients else "the tags of the addresses have no value"
    return Selected(recipients, len(recipients), len(texts) - len(addresses), nobody)


def _people(looked_up: Any, label: str, attribute: str, nobody: str) -> Selected:
    found: dict[str, Recipient] = {}
    for one in looked_up["people"]:
        person = _recipient(f"{label} {one['name']!r}", one["attributes"], attribute)
        found.setdefault(person.address, person)
    without = looked_up["without"]
    if not found and without:
        nobody = f"none of those selected ({without}) has the attribute {attribute!r}"
    recipients = tuple(found.values())
    return Selected(recipients, looked_up["count"], without, "" if recipients else nobody)


def _recipient(label: str, attributes: Mapping[str, str], attribute: str) -> Recipient:
    givenname, surname = (str(attributes.get(name) or "") for name in _NAMES)
    return Recipient(label, str(attributes[attribute]).strip(), givenname, surname)


def _only(attributes: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    return {name: str(attributes[name]) for name in names if attributes.get(name)}
