"""The host's tokens in the database. Every change is one statement in the current transaction."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import attrs
import sqlalchemy as sa
from attrs import frozen
from sqlalchemy.orm import Session

from whenthen import Refused, UserRef, parse
from whenthen.identity import Enrolled, Token
from whenthen_otpserver import tables
from whenthen_otpserver.database import rows_changed
from whenthen_otpserver.errors import BadRequest, Conflict, NotFound
from whenthen_otpserver.tokens import Label, State, token_type, types
from whenthen_otpserver.users import Users, insert
from whenthen_otpserver.vault import Hasher, Vault

__all__ = ["Tokens", "problems_of"]

_T = tables.token.c
_SECRETS = ("otpkey", "pin", "pass", "password")


@frozen
class Tokens:
    """The host's tokens, as `whenthen.identity.TokenStore` asks for them, and a little more."""

    session: Session
    users: Users
    vault: Vault
    hasher: Hasher
    issuer: str = "whenthen"

    def get(self, serial: str) -> Token | None:
        """Return the token, or None."""
        found = self.select(_T.serial == serial)
        return found[0] if found else None

    def owned_by(self, owner: UserRef) -> Sequence[Token]:
        """Return the tokens assigned to a user."""
        return self.select(*self.of(owner))

    def of(self, owner: UserRef) -> list[sa.ColumnElement[bool]]:
        """Return the condition that a token is assigned to a user."""
        realm = owner.realm or self.users.default_realm()
        conditions = [_T.owner == owner.name, _T.owner_realm == realm]
        return [*conditions, _T.owner_resolver == owner.resolver] if owner.resolver else conditions

    def select(self, *conditions: sa.ColumnElement[bool]) -> list[Token]:
        """Return the tokens for which the conditions hold, in the order of their enrolment."""
        rows = self.session.execute(
            sa.select(tables.token).where(*conditions).order_by(_T.id)
        ).all()
        if not rows:
            return []
        ids = [row.id for row in rows]
        info: dict[int, dict[str, str]] = {number: {} for number in ids}
        realms: dict[int, set[str]] = {number: set() for number in ids}
        if len(ids) > 500:  # databases limit how many values a statement has
            ids = []
        within = tables.token_info.c.token.in_(ids) if ids else sa.true()
        for row in self.session.execute(sa.select(tables.token_info).where(within)):
            info.setdefault(row.token, {})[row.key] = row.value
        within = tables.token_realm.c.token.in_(ids) if ids else sa.true()
        for row in self.session.execute(sa.select(tables.token_realm).where(within)):
            realms.setdefault(row.token, set()).add(row.realm)
        return [_token(row, info[row.id], realms[row.id]) for row in rows]

    def enrolment(self, token_type: str) -> type:
        """Return the attrs class of the parameters that enrolling this type takes."""
        return _type_named(token_type).enrolment  # type: ignore[no-any-return]  # each has its own

    def token_types(self) -> Sequence[str]:
        """Return the types that can be enrolled."""
        return list(types())

    def enroll(
        self,
        token_type: str,
        parameters: Mapping[str, object],
        *,
        owner: UserRef | None = None,
        realms: Sequence[str] = (),
        serial: str = "",
        pin: str = "",
    ) -> Enrolled:
        """Make a new token with fresh secrets; `parameters` are those of `enrolment`."""
        kind = _type_named(token_type)
        try:
            chosen = parse(kind.enrolment, dict(parameters))
        except Refused as refused:
            raise BadRequest(problems_of(refused)) from None
        serial = serial or f"{kind.prefix}{secrets.token_hex(5).upper()}"
        state: State[Any] = State(kind.fresh_seed(chosen), chosen)
        kept = attrs.asdict(chosen, value_serializer=lambda _i, _f, value: _plain(value))
        kept.pop("otpkey", None)
        values = {
            "serial": serial, "type": kind.name, "enabled": True, "revoked": False,
            "description": "", "failcount": 0, "max_failcount": 10, "counter": 0, "shift": 0,
            "count_window": state.count_window, "rollout_state": "", "count_success": 0,
            "count_fail": 0, "seed": self.vault.seal(state.seed),
            "pin": self.hasher.hash(pin) if pin else None, "parameters": kept,
        }  # fmt: skip
        try:
            insert(self.session, tables.token, values)
        except Conflict:
            raise Conflict(f"There is a token with the serial {serial!r} already.") from None
        if owner is not None:
            self.assign(serial, owner)
        if realms:
            self.set_realms(serial, sorted({*realms, *self.require(serial).realms}))
        token = self.require(serial)
        label = Label(serial, self.issuer, token.owner)
        return Enrolled(token, {"serial": serial, **kind.enrolled(state, label)})

    def require(self, serial: str) -> Token:
        """Return the token; raises NotFound if there is none."""
        token = self.get(serial)
        if token is None:
            raise NotFound(f"There is no token with the serial {serial!r}.")
        return token

    def delete(self, serial: str) -> None:
        """Delete a token for good."""
        number = self._id(serial)
        for table in (tables.token_info, tables.token_realm, tables.challenge):
            self.session.execute(sa.delete(table).where(table.c.token == number))
        self.session.execute(sa.delete(tables.token).where(_T.id == number))

    def assign(self, serial: str, owner: UserRef) -> None:
        """Assign a token that has no owner; it joins the realm of its owner."""
        user = self.users.find(owner)
        if user is None:
            raise NotFound(f"There is no user {owner.name!r} in the realm {owner.realm!r}.")
        number = self._id(serial)
        found = rows_changed(
            self.session,
            sa.update(tables.token)
            .where(_T.id == number, _T.owner.is_(None))
            .values(owner=user.name, owner_realm=user.realm, owner_resolver=user.resolver),
        )
        if not found:
            raise Conflict(f"The token {serial} has an owner already.")
        self.set_realms(serial, sorted({*self.require(serial).realms, user.realm}))

    def unassign(self, serial: str) -> None:
        """Take a token from its owner, and its PIN with it: the next owner must not inherit it."""
        self._update(serial, owner=None, owner_realm=None, owner_resolver=None, pin=None)

    def set_enabled(self, serial: str, enabled: bool) -> None:
        """Enable or disable a token."""
        self._update(serial, enabled=enabled)

    def set_realms(self, serial: str, realms: Sequence[str]) -> None:
        """Make `realms` the realms that a token is in."""
        number, known = self._id(serial), self.users.realms()
        for realm in realms:
            if realm not in known:
                raise NotFound(f"There is no realm {realm!r}.")
        self.session.execute(
            sa.delete(tables.token_realm).where(tables.token_realm.c.token == number)
        )
        if realms:
            rows = [{"token": number, "realm": realm} for realm in sorted(set(realms))]
            self.session.execute(sa.insert(tables.token_realm), rows)

    def set_description(self, serial: str, description: str) -> None:
        """Describe a token."""
        self.set(serial, description=description)

    def set_failcount(self, serial: str, failcount: int) -> None:
        """Set the fail counter."""
        self.set(serial, failcount=failcount)

    def set_info(self, serial: str, key: str, value: str) -> None:
        """Set one entry of the token's info."""
        if not 0 < len(key) <= 200:
            raise BadRequest("The name of an entry has 1 to 200 characters.")
        number, info = self._id(serial), tables.token_info
        self.session.execute(sa.delete(info).where(info.c.token == number, info.c.key == key))
        self.session.execute(sa.insert(info).values(token=number, key=key, value=value))

    def set_pin(self, serial: str, pin: str) -> None:
        """Set the PIN; an empty one means that the one-time password alone is enough."""
        self._update(serial, pin=self.hasher.hash(pin) if pin else None)

    def set(self, serial: str, **values: object) -> None:
        """Set properties of a token, named as in `whenthen.identity.Token`."""
        for name, value in values.items():
            if isinstance(value, str) and len(value) > 1000:
                raise BadRequest(f"{name} has more than 1000 characters.")
            if isinstance(value, int) and not 0 <= value < 2**31:
                raise BadRequest(f"{name} is out of range.")
        self._update(serial, **values)

    def resync(self, serial: str, otp1: str, otp2: str, now: datetime) -> bool:
        """Find the token's counter by two one-time passwords in a row; say whether it was found."""
        row = self.session.execute(
            sa.select(tables.token).where(_T.serial == serial).with_for_update()
        ).first()
        if row is None:
            raise NotFound(f"There is no token with the serial {serial!r}.")
        kind, state = self.state(row)
        try:
            progress = kind.resync(state, otp1, otp2, now)
        except ValueError as error:
            raise Conflict(str(error)) from None
        if progress is None:
            return False
        self._update(serial, counter=progress.counter, shift=progress.shift, failcount=0)
        return True

    def state(self, row: Any) -> tuple[Any, State[Any]]:  # a row, and each type has its own state
        """Return a token's type, and what it works with, from its row."""
        kind = _type_named(row.type)
        chosen = parse(kind.enrolment, dict(row.parameters))
        seed = self.vault.unseal(row.seed)
        return kind, State(seed, chosen, row.counter, row.count_window, row.shift)

    def _id(self, serial: str) -> int:
        found: int | None = self.session.scalar(sa.select(_T.id).where(_T.serial == serial))
        if found is None:
            raise NotFound(f"There is no token with the serial {serial!r}.")
        return found

    def _update(self, serial: str, **values: object) -> None:
        number = self._id(serial)
        self.session.execute(sa.update(tables.token).where(_T.id == number).values(values))


def problems_of(refused: Refused) -> str:
    """Return what was wrong with parameters, without the values of those that hold secrets."""
    texts = (
        f"{problem.path}: {problem.message.partition(', got ')[0]}"
        if problem.path.partition(".")[0] in _SECRETS
        else str(problem)
        for problem in refused.problems
    )
    return f"The parameters are wrong: {'; '.join(texts)}."


def _type_named(name: str) -> Any:  # each type has parameters of its own
    try:
        return token_type(name)
    except LookupError as error:
        raise NotFound(str(error)) from None


def _plain(value: object) -> object:
    return str(value) if isinstance(value, str) else value


def _token(row: Any, info: Mapping[str, str], realms: set[str]) -> Token:  # a row of the table
    owner = row.owner and UserRef(row.owner, row.owner_realm or "", row.owner_resolver or "")
    return Token(
        row.serial, row.type, owner, frozenset(realms), row.enabled, row.revoked, row.description,
        row.failcount, row.max_failcount, row.counter, row.count_window, row.rollout_state,
        row.valid_from, row.valid_till, dict(info),
    )  # fmt: skip
