"""Tokens whose codes are sent, to a real mail server."""

from __future__ import annotations

import email
import email.policy
import queue
import re
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from conftest import Api, NoBindings

from whenthen_otpserver.app import create_app
from whenthen_otpserver.host import Host
from whenthen_otpserver.settings import Smtp


class Sink:
    def __init__(self) -> None:
        self.mails: queue.Queue[EmailMessage] = queue.Queue()

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.put(mail)
        return "250 OK"

    def code(self) -> str:
        mail = self.mails.get(timeout=5)
        found = re.search(r"\b\d{6}\b", mail.get_content())
        assert found
        return found[0]


class AnyPort(Controller):
    """aiosmtpd tries the port before it knows which one it got; so it is told."""

    def _trigger_server(self) -> None:
        assert self.server is not None
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


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
def host(open_host: Callable[..., Host], smtp: Smtp) -> Host:
    return open_host(smtp=smtp, sms_address="{phone}@sms.example.com")


def test_a_code_is_mailed_and_works_once(api: Api, sink: Sink) -> None:
    given = {"user": "alice", "pin": "1234", "email": "a@example.com"}
    api.call("POST", "/token/init", type="email", **given)
    answer = api.call("POST", "/validate/check", user="alice", **{"pass": "1234"})
    assert answer["result"] == {"status": True, "value": False, "authentication": "CHALLENGE"}
    transaction = answer["detail"]["transaction_id"]
    mail = sink.mails.get(timeout=5)
    assert mail["To"] == "a@example.com"
    code = mail.get_content().split()[-1]
    assert code not in str(answer)
    assert api.check("000000", user="alice", transaction_id=transaction) == "REJECT"
    assert api.check(code, user="bob", transaction_id=transaction) == "REJECT"
    assert api.check(code, user="alice", transaction_id="x") == "REJECT"
    assert api.check(f"1234{code}", user="alice") == "REJECT"
    assert api.check(code, user="alice", transaction_id=transaction) == "ACCEPT"
    assert api.check(code, user="alice", transaction_id=transaction) == "REJECT"


def test_wrong_codes_lock_the_token(api: Api, sink: Sink) -> None:
    given = {"user": "alice", "pin": "1234", "dynamic_email": True}
    serial = api.call("POST", "/token/init", type="email", **given)["detail"]["serial"]
    api.call("POST", "/token/set", serial=serial, max_failcount=2)
    answer = api.call("POST", "/validate/check", serial=serial, **{"pass": "1234"})
    transaction = answer["detail"]["transaction_id"]
    code = sink.code()
    for _ in range(2):
        assert api.check("none", serial=serial, transaction_id=transaction) == "REJECT"
    assert api.check(code, serial=serial, transaction_id=transaction) == "REJECT"
    assert api.check("1234", serial=serial) == "REJECT"


def test_a_new_challenge_makes_the_old_one_void(api: Api, sink: Sink) -> None:
    given = {"user": "alice", "pin": "1234", "phone": "+49 (170) 3"}
    api.call("POST", "/token/init", type="sms", **given)
    first = api.call("POST", "/validate/check", user="alice", **{"pass": "1234"})["detail"]
    mail = sink.mails.get(timeout=5)
    assert mail["To"] == "+491703@sms.example.com"
    old = mail.get_content().strip()
    second = api.call("POST", "/validate/check", user="alice", **{"pass": "1234"})["detail"]
    new = sink.code()
    assert old != new
    for code, transaction in ((old, first), (old, second), (new, first)):
        given = {"user": "alice", "transaction_id": transaction["transaction_id"]}
        assert api.check(code, **given) == "REJECT"
    given = {"user": "alice", "transaction_id": second["transaction_id"]}
    assert api.check(new, **given) == "ACCEPT"


def test_a_challenge_ends(open_host: Callable[..., Host], smtp: Smtp, sink: Sink) -> None:
    host = open_host(smtp=smtp, challenge_lifetime=1)
    api = Api(create_app(NoBindings(), host).test_client()).as_("root", "root-pw")
    api.call("POST", "/token/init", type="email", user="alice", dynamic_email=True, pin="1234")
    answer = api.call("POST", "/validate/check", user="alice", **{"pass": "1234"})
    code = sink.code()
    with host.begin() as unit:
        late = "UPDATE otp_challenge SET expires = '2020-01-01 00:00:00.000000'"
        unit.connection.exec_driver_sql(late)
    transaction = answer["detail"]["transaction_id"]
    assert api.check(code, user="alice", transaction_id=transaction) == "REJECT"


def test_without_an_address_the_call_is_refused(api: Api) -> None:
    given = {"user": "bob", "pin": "1234", "dynamic_email": True}
    api.call("POST", "/token/init", type="email", **given)
    said = api.call("POST", "/validate/check", status=409, user="bob", **{"pass": "1234"})
    assert "no address" in said["result"]["error"]["message"]
    api.call("POST", "/token/init", status=400, type="email", user="bob")
    api.call("POST", "/token/init", status=400, type="sms", phone="call me")


def test_without_a_mail_server_the_call_is_refused(open_host: Callable[..., Host]) -> None:
    for smtp, said in ((None, "No mail server"), (Smtp(host="127.0.0.1", port=9), "not be sent")):
        api = Api(create_app(NoBindings(), open_host(smtp=smtp)).test_client())
        api = api.as_("root", "root-pw")
        given = {"type": "email", "user": "alice", "dynamic_email": True, "pin": "1234"}
        serial = api.call("POST", "/token/init", **given)["detail"]["serial"]
        check = {"serial": serial, "pass": "1234"}
        error = api.call("POST", "/validate/check", status=503, **check)["result"]["error"]
        assert said in error["message"]
