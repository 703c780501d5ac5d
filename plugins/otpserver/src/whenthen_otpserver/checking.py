"""Authentication: a PIN and a one-time password, or the answer to a challenge.

The rows of the tokens are locked while they are checked, and each counter moves in one statement:
of two requests with the same one-time password at the same moment one is refused.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any

import sqlalchemy as sa
from attrs import field, frozen

from whenthen import UserRef
from whenthen_otpserver import tables
from whenthen_otpserver.database import rows_changed
from whenthen_otpserver.mail import message_for
from whenthen_otpserver.settings import Settings
from whenthen_otpserver.store import Tokens
from whenthen_otpserver.tokens import ChallengeType, Progress

__all__ = ["Checker", "Verdict"]

USED = "used"
"""The rollout state of a token that has served its purpose."""
_T, _C = tables.token.c, tables.challenge.c
_Row = Any  # a row of the table of tokens


@frozen
class Verdict:
    """What came of a check. `serial` is the one token that it was about, if it is known."""

    authentication: str
    serial: str = ""
    transaction: str = ""
    mails: Sequence[EmailMessage] = field(default=(), repr=False)


@frozen
class Checker:
    """Checks the tokens of a store at one moment."""

    tokens: Tokens
    settings: Settings
    now: datetime = field(factory=lambda: datetime.now(UTC))

    def check(self, password: str, *, user: UserRef | None = None, serial: str = "") -> Verdict:
        """Check a PIN and one-time password against a user's tokens, or one token."""
        usable = [row for row in self._locked_rows(user, serial) if self._usable(row)]
        matched: list[_Row] = []
        challenged: list[_Row] = []
        for row in usable:
            kind, state = self.tokens.state(row)
            if isinstance(kind, ChallengeType):
                # Without a PIN anyone could make this host send mails.
                if row.pin and self.tokens.hasher.verify(row.pin, password):
                    challenged.append(row)
                continue
            length = kind.otp_length(state)
            pin, otp = password[:-length], password[-length:]
            if not self._pin_fits(row, pin):
                continue
            matched.append(row)
            progress = kind.check(state, otp, self.now) if otp.isascii() else None
            if progress is not None and self._advance(row, progress):
                return Verdict("ACCEPT", row.serial)
        if challenged:
            return self._challenge(challenged)
        if not usable:
            self.tokens.hasher.verify(None, password)
        self._count_failure(matched or usable)
        # Which token it was would say whose PIN was right, so only what was asked is repeated.
        return Verdict("REJECT", serial)

    def answer(
        self, transaction: str, code: str, *, user: UserRef | None = None, serial: str = ""
    ) -> Verdict:
        """Check the answer to a challenge; who is named must be whose token it is."""
        conditions = self._conditions(user, serial) if user or serial else []
        query = (
            sa.select(tables.token, _C.counter.label("challenge_counter"))
            .join(tables.challenge, _C.token == _T.id)
            .where(_C.transaction == transaction, _C.expires > self.now, *conditions)
            .order_by(_T.id)
            .with_for_update(of=tables.token)
        )
        usable = [row for row in self._all(query) if self._usable(row)]
        for row in usable:
            kind, state = self.tokens.state(row)
            expected = kind.code(state, row.challenge_counter)
            if hmac.compare_digest(expected.encode(), code.encode()) and self._close(row):
                self._succeed(row)
                return Verdict("ACCEPT", row.serial)
        self._count_failure(usable)
        return Verdict("REJECT", usable[0].serial if len(usable) == 1 else "")

    def _locked_rows(self, user: UserRef | None, serial: str) -> list[_Row]:
        query = sa.select(tables.token).where(*self._conditions(user, serial))
        return self._all(query.order_by(_T.id).with_for_update())

    def _conditions(self, user: UserRef | None, serial: str) -> list[sa.ColumnElement[bool]]:
        conditions = [_T.serial == serial] if serial else []
        return conditions + self.tokens.of(user) if user else conditions or [sa.false()]

    def _all(self, query: sa.Select[Any]) -> list[_Row]:
        return list(self.tokens.session.execute(query).all())

    def _usable(self, row: _Row) -> bool:
        owner_is_there = row.owner is None or self.tokens.users.find(
            UserRef(row.owner, row.owner_realm or "", row.owner_resolver or "")
        )
        return bool(
            row.enabled
            and not row.revoked
            and row.rollout_state != USED
            and row.failcount < row.max_failcount
            and (row.valid_from is None or row.valid_from <= self.now)
            and (row.valid_till is None or self.now < row.valid_till)
            and owner_is_there
        )

    def _pin_fits(self, row: _Row, pin: str) -> bool:
        if row.pin is None:
            return not pin
        return self.tokens.hasher.verify(row.pin, pin)

    def _advance(self, row: _Row, progress: Progress) -> bool:
        """Move the counter on; False if another request was faster."""
        values: dict[str, object] = {"counter": progress.counter, "shift": progress.shift}
        if progress.used_up:
            values["rollout_state"] = USED
        moved = rows_changed(
            self.tokens.session,
            sa.update(tables.token)
            .where(_T.id == row.id, _T.counter == row.counter, _T.failcount < _T.max_failcount)
            .values(values),
        )
        if moved:
            self._succeed(row)
        return bool(moved)

    def _succeed(self, row: _Row) -> None:
        self.tokens.session.execute(
            sa.update(tables.token)
            .where(_T.id == row.id)
            .values(failcount=0, count_success=_T.count_success + 1, last_auth=self.now)
        )

    def _count_failure(self, rows: Sequence[_Row]) -> None:
        if rows:
            self.tokens.session.execute(
                sa.update(tables.token)
                .where(_T.id.in_([row.id for row in rows]))
                .values(failcount=_T.failcount + 1, count_fail=_T.count_fail + 1)
            )

    def _challenge(self, rows: Sequence[_Row]) -> Verdict:
        session, transaction = self.tokens.session, secrets.token_hex(16)
        expires = self.now + timedelta(seconds=self.settings.challenge_lifetime)
        mails = []
        for row in rows:
            kind, state = self.tokens.state(row)
            owner = row.owner and self.tokens.users.find(
                UserRef(row.owner, row.owner_realm or "", row.owner_resolver or "")
            )
            address = kind.address(state.parameters, owner or None)
            code = kind.code(state, row.counter)
            mails.append(message_for(self.settings, kind.medium, address, code))
            session.execute(sa.delete(tables.challenge).where(_C.token == row.id))
            session.execute(
                sa.insert(tables.challenge).values(
                    token=row.id, transaction=transaction, counter=row.counter, expires=expires
                )
            )
            session.execute(
                sa.update(tables.token).where(_T.id == row.id).values(counter=_T.counter + 1)
            )
        return Verdict(
            "CHALLENGE", rows[0].serial if len(rows) == 1 else "", transaction, tuple(mails)
        )

    def _close(self, row: _Row) -> bool:
        """Take the challenge away: it is answered once."""
        query = sa.delete(tables.challenge).where(_C.token == row.id)
        return rows_changed(self.tokens.session, query) == 1
