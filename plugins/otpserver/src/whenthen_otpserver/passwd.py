"""Users in a passwd-style file, which is read afresh at each look-up: a user can vanish from it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

from whenthen_otpserver.errors import Unreachable

__all__ = ["Account", "accounts"]


@frozen
class Account:
    """One user as their store has them. `password` is an argon2 hash, or None."""

    name: str
    password: str | None
    attributes: dict[str, str]


def accounts(path: str) -> Iterator[Account]:
    """Yield the users of a file of lines `name:password:uid:gid:gecos:home:shell`.

    The second field may be an argon2 hash; anything else is a password that nobody has. The gecos
    field holds, separated by commas, the full name, room, telephone, mobile number and email.

    Raises:
        Unreachable: the file cannot be read.
    """
    try:
        lines = Path(path).read_text("utf-8").splitlines()
    except (OSError, UnicodeError) as error:
        raise Unreachable("The file of a user store cannot be read.") from error
    for line in lines:
        fields = line.split(":")
        if len(fields) >= 5 and fields[0] and not line.startswith("#"):
            hashed = fields[1] if fields[1].startswith("$argon2") else None
            yield Account(fields[0], hashed, _attributes(fields[4]))


def _attributes(gecos: str) -> dict[str, str]:
    full, *rest = (part.strip() for part in gecos.split(","))
    email = next((part for part in rest if "@" in part), "")
    numbers = [part for part in rest[1:] if part and "@" not in part]
    given, _, family = full.rpartition(" ")
    found = {
        "givenname": given or family,
        "surname": family if given else "",
        "phone": numbers[0] if numbers else "",
        "mobile": numbers[1] if len(numbers) > 1 else "",
        "email": email,
    }
    return {name: value for name, value in found.items() if value}
