"""Tokens whose codes are sent, to a real mail server."""

from __future__ import annotations

import asyncio
import email
import email.policy
import queue
import re
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from whenthen_otpserver.host import Host
from whenthen_otpserver.settings import Smtp


class Sink:
    def __init__(self) -> None:
        self.mails: queue.Queue[EmailMessage] = queue.Queue()

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802  # aiosmtpd's name
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.put(mail)
        return "250 OK"

    def next(self) -> tuple[str, str]:
        """Return the address and the code of the next mail."""
        mail = self.mails.get(timeout=5)
        found = re.search(r"\b\d{6}\b", mail.get_content())
        assert found
        return str(mail["To"]), found[0]


class AnyPort(Controller):
    """aiosmtpd tries the port before it knows which one it got; so it is told."""

    def _trigger_server(self) -> None:
        assert isinstance(self.server, asyncio.Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]  # aiosmtpd is typed in part


@pytest.fixture
def sink() -> Sink:
    return Sink()


@pytest.fixture
def smtp(sink: Sink) -> Iterator[Smtp]:
    controller = AnyPort(sink, hostname="127.0.0.1", port=0)
    controller.start()
    yield Smtp(host="127.0.0.1", port=controller.port, timeout=5.0)
    controller.stop()


@pytest.fixture
def host(opened: Callable[..., Host], smtp: Smtp) -> Host:
    return opened(smtp=smtp, sms_address="{phone}@sms.example.com")


def challenge(api: Any, **who: Any) -> str:
    answer = api.call("POST", "/validate/check", **who, **{"pass": "1234"})
    assert answer["result"] == {"status": True, "value": False, "authentication": "CHALLENGE"}
    return str(answer["detail"]["transaction_id"])


def test_a_code_is_mailed_and_works_once(api: Any, sink: Sink) -> None:
    given = {"user": "alice", "pin": "1234", "email": "a@example.com"}
    api.call("POST", "/token/init", type="email", **given)
    transaction = challenge(api, user="alice")
    address, code = sink.next()
    assert address == "a@example.com"
    assert api.check(code, user="bob", transaction_id=transaction) == "REJECT"
    assert api.check("000000", transaction_id=transaction) == "REJECT"
    assert api.check(code, user="alice", transaction_id="x") == "REJECT"
    assert api.check(f"1234{code}", user="alice") == "REJECT"
    assert api.check(code, transaction_id=transaction) == "ACCEPT"
    assert api.check(code, transaction_id=transaction) == "REJECT"


def test_wrong_codes_lock_the_token(api: Any, sink: Sink) -> None:
    given = {"user": "alice", "pin": "1234", "dynamic_email": True, "max_failcount": 2}
    serial = api.call("POST", "/token/init", type="email", **given)["detail"]["serial"]
    transaction = challenge(api, serial=serial)
    address, code = sink.next()
    assert address == "alice@example.com"
    for guess in ("none", "none", code):
        assert api.check(guess, transaction_id=transaction) == "REJECT"
    assert api.check("1234", serial=serial) == "REJECT"


def test_a_new_challenge_makes_the_old_one_void(api: Any, sink: Sink) -> None:
    given = {"user": "alice", "pin": "1234", "dynamic_phone": True}
    api.call("POST", "/token/init", type="sms", **given)
    first = challenge(api, user="alice")
    address, old = sink.next()
    assert address == "+491702@sms.example.com"
    second = challenge(api, user="alice")
    _, new = sink.next()
    for code, transaction in ((old, first), (old, second), (new, first)):
        assert api.check(code, transaction_id=transaction) == "REJECT"
    assert api.check(new, transaction_id=second) == "ACCEPT"


def test_a_challenge_ends(api: Any, host: Host, sink: Sink) -> None:
    api.call("POST", "/token/init", type="email", user="alice", dynamic_email=True, pin="1234")
    transaction = challenge(api, user="alice")
    _, code = sink.next()
    with host.work() as work:
        late = "UPDATE otp_challenge SET expires = '2020-01-01 00:00:00.000000'"
        work.session.connection().exec_driver_sql(late)
    assert api.check(code, transaction_id=transaction) == "REJECT"


def test_without_an_address_or_a_pin_nothing_is_sent(api: Any, sink: Sink) -> None:
    api.call("POST", "/token/init", type="email", user="bob", pin="1234", dynamic_email=True)
    said = api.call("POST", "/validate/check", status=503, user="bob", **{"pass": "1234"})
    assert "no address" in said["result"]["error"]["message"]
    api.call("POST", "/token/init", type="email", user="alice", dynamic_email=True)
    assert api.check("", user="alice") == "REJECT"
    api.call("POST", "/token/init", status=400, type="email", user="bob")
    assert sink.mails.empty()


def test_without_a_mail_server_the_call_is_refused(
    opened: Callable[..., Host], client_of: Callable[[Host], Any]
) -> None:
    for smtp, said in ((None, "No mail server"), (Smtp(host="127.0.0.1", port=9), "is away")):
        api = client_of(opened(smtp=smtp)).as_("root", "root-pw")
        given = {"type": "email", "user": "alice", "dynamic_email": True, "pin": "1234"}
        serial = api.call("POST", "/token/init", **given)["detail"]["serial"]
        check = {"serial": serial, "pass": "1234"}
        error = api.call("POST", "/validate/check", status=503, **check)["result"]["error"]
        assert said in error["message"]
