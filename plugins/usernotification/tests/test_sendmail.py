from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import attrs
import pytest
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from whenthen import Actor, Refused
from whenthen.identity import User

TO_OWNER: dict[str, object] = {"kind": "token_owner"}
MAIL: dict[str, object] = {
    "mail_server": "themis",
    "to": TO_OWNER,
    "subject": "Token {serial}",
    "body": "Hello",
}
SECRET = "hunter2-and-more"


def to(*addresses: str) -> dict[str, object]:
    return MAIL | {"to": {"kind": "email", "addresses": list(addresses)}}


def person(name: str, email: str | None, realm: str = "admins") -> User:
    attributes = {"givenname": name.title()} | ({"email": email} if email else {})
    return User(name, realm, "db", attributes)


def test_mail_reaches_the_owner_with_its_headers(world: Any, sink: Any) -> None:
    body = "Hello {recipient_givenname}, {user} has {serial}. A { brace"
    parts = world.happen("sendmail", MAIL | {"body": body}, sink.server)
    assert world.last(parts) == ("done", "The mail server took the mail for 1 recipient.", "done")
    ((sender, recipients, message),) = sink.mails
    assert (sender, recipients) == ("desk@example.org", ["cornelius@example.org"])
    assert message["From"] == "Desk <desk@example.org>"
    assert message["To"] == "cornelius@example.org"
    assert message["Subject"] == "Token T1"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"].datetime.tzinfo is not None
    assert message["Message-ID"] == f"<{parts.deliveries.find()[0].id}.1@whenthen>"
    assert message["Reply-To"] is None
    assert message.get_content() == "Hello Cornelius, cornelius has T1. A { brace\r\n"


def test_embedded_worker_and_inline_mode_send_too(world: Any, sink: Any) -> None:
    world.happen("sendmail", MAIL, sink.server, attempts=0, executor="embedded")
    until = time.monotonic() + 10
    while not sink.mails and time.monotonic() < until:
        time.sleep(0.02)
    assert len(sink.mails) == 1
    world.happen("sendmail", MAIL, sink.server, mode="inline", attempts=0)
    assert len(sink.mails) == 2


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ({"kind": "token_owner"}, ["cornelius@example.org"]),
        ({"kind": "logged_in_user"}, ["root@example.org"]),
        ({"kind": "admin_realm", "realm": "admins"}, ["a@example.org", "b@example.org"]),
        ({"kind": "internal_admin", "name": "root"}, ["root@example.org"]),
        ({"kind": "internal_admin", "name": "root", "attribute": "work"}, ["w@example.org"]),
        ({"kind": "email", "addresses": ["x@example.org", "{user}@example.net"]},
         ["x@example.org", "cornelius@example.net"]),
    ],
)  # fmt: skip
def test_every_kind_of_recipient(
    world: Any, sink: Any, selector: dict[str, object], expected: list[str]
) -> None:
    root = User("root", "", "", {"email": "root@example.org", "work": "w@example.org"})
    world.actor = Actor("admin", "root")
    world.host.admins["root"] = root
    world.host.users += [
        person("a", "a@example.org"), person("b", "b@example.org"), person("none", None),
        person("twice", "a@example.org"),
    ]  # fmt: skip
    parts = world.happen("sendmail", MAIL | {"to": selector}, sink.server)
    assert world.last(parts)[2] == "done"
    assert [recipients for _, recipients, _ in sink.mails] == [[one] for one in expected]
    assert [message["To"] for _, _, message in sink.mails] == expected
    assert len({message["Message-ID"] for _, _, message in sink.mails}) == len(expected)


@pytest.mark.parametrize(
    ("selector", "reason"),
    [
        ({"kind": "token_owner"}, "no owner"),
        ({"kind": "logged_in_user"}, "nobody is logged in"),
        ({"kind": "admin_realm", "realm": "nowhere"}, "nobody is in the realm 'nowhere'"),
        ({"kind": "admin_realm", "realm": "mute"}, "none of those selected (1)"),
        ({"kind": "internal_admin", "name": "ghost"}, "no internal administrator 'ghost'"),
        ({"kind": "email", "addresses": ["{ua_string}"]}, "have no value"),
    ],
)
def test_empty_selector_selects_nobody_and_says_so(
    world: Any, sink: Any, selector: dict[str, object], reason: str
) -> None:
    world.host.users.append(person("m", None, "mute"))
    parts = world.happen("sendmail", MAIL | {"to": selector}, sink.server, serial="T2")
    state, detail, outcome = world.last(parts)
    assert (state, outcome) == ("dead", "unknown")
    assert "it has no recipient" in detail
    assert reason in detail
    assert not sink.mails


def test_owner_without_address(world: Any, sink: Any) -> None:
    selector = {"kind": "token_owner", "attribute": "work"}
    parts = world.happen("sendmail", MAIL | {"to": selector}, sink.server)
    assert "has no attribute 'work'" in world.last(parts)[1]


def test_more_recipients_than_the_cap_are_refused(world: Any, sink: Any) -> None:
    world.host.users += [person(f"u{i}", f"u{i}@example.org") for i in range(21)]
    options = MAIL | {"to": {"kind": "admin_realm", "realm": "admins"}}
    parts = world.happen("sendmail", options, sink.server)
    state, detail, outcome = world.last(parts)
    assert (state, outcome, sink.mails) == ("dead", "failed", [])
    assert "21 recipients" in detail
    many = world.happen("sendmail", options | {"max_recipients": 21}, sink.server)
    assert len(sink.mails) == 21
    assert many.deliveries.find(state="done")


@pytest.mark.parametrize(
    "address",
    ["a@x.org, b@y.org", "a@x.org\r\nBcc: b@y.org", "a@x.org> RCPT TO:<b@y.org", "a", "ü@x.org",
     "a@x.org b@y.org", "Name <a@x.org>", "a\0@x.org", "@x.org,@y.org:a@x.org"],
)  # fmt: skip
def test_attribute_is_one_address_or_refused(world: Any, sink: Any, address: str) -> None:
    owner = world.host.users[0]
    world.host.users[0] = attrs.evolve(owner, attributes={"email": address})
    parts = world.happen("sendmail", MAIL, sink.server)
    state, detail, outcome = world.last(parts)
    assert (state, outcome, sink.mails) == ("dead", "failed", [])
    assert "not one mail address" in detail
    assert address not in detail or address == "a"


def test_line_break_cannot_become_a_header(world: Any, sink: Any) -> None:
    bad = MAIL | {"subject": "For {recipient_givenname}"}
    owner = world.host.users[0]
    for text in ("x\r\nBcc: evil@example.org", "x\nBcc: evil@example.org", "x\u2028y", "x\x85y"):
        world.host.users[0] = attrs.evolve(
            owner, attributes={"email": "c@example.org", "givenname": text}
        )
        parts = world.happen("sendmail", bad, sink.server)
        newest = parts.deliveries.find()[0]
        assert newest.state.value == "dead"
        assert "line break" in newest.detail
    assert not sink.mails


def test_html_escapes_tags_and_has_a_plain_alternative(world: Any, sink: Any) -> None:
    body = (
        "<style>p {color: red}</style><p>Dear {recipient_surname},</p>"
        '<a href="https://example.org/?s={serial}">look</a> {fact:request.parameters.note}'
    )
    note = '"><script>alert(1)</script>'
    options = MAIL | {"body": body, "mimetype": "html"}
    world.happen("sendmail", options, sink.server, note=note)
    ((_, _, message),) = sink.mails
    assert message.get_content_type() == "multipart/alternative"
    plain, html = message.iter_parts()
    assert plain.get_content_type() == "text/plain"
    text = plain.get_content()
    assert "Dear <b>Kölbel</b>," in text
    assert "look (https://example.org/?s=T1)" in text
    assert "color: red" not in text
    assert "<script>" not in html.get_content()
    assert "&lt;b&gt;Kölbel&lt;/b&gt;" in html.get_content()
    assert "&quot;&gt;&lt;script&gt;" in html.get_content()


def test_reply_to(world: Any, sink: Any) -> None:
    world.host.admins["root"] = User("root", "", "", {"email": "root@example.org"})
    options = MAIL | {"reply_to": {"kind": "internal_admin", "name": "root"}}
    world.happen("sendmail", options, sink.server)
    assert sink.mails[0][2]["Reply-To"] == "root@example.org"
    options = MAIL | {"reply_to": {"kind": "internal_admin", "name": "ghost"}}
    parts = world.happen("sendmail", options, sink.server)
    assert "no internal administrator 'ghost'" in parts.deliveries.find()[0].detail
    assert sink.mails[1][2]["Reply-To"] is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"subject": "{sreial}"}, "{sreial} is no tag"),
        ({"to": {"kind": "email", "addresses": ["a@x.org, b@y.org"]}}, "expected one mail address"),
        ({"to": {"kind": "email", "addresses": []}}, "at least 1"),
        ({"to": {"kind": "everybody"}}, "token_owner, logged_in_user, admin_realm"),
        ({"mail_server": "zeus"}, "there is no mail_server named 'zeus'"),
        ({"max_recipients": 0}, "at least 1"),
        ({"mimetype": "rtf"}, "plain, html"),
    ],
)
def test_wrong_options_are_refused(world: Any, options: dict[str, object], message: str) -> None:
    with pytest.raises(Refused) as refused:
        world.happen("sendmail", MAIL | options)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    "options",
    [{"sender": "nobody"}, {"sender": "A <a@x.org>\r\nBcc: b@x.org"}, {"password": "clear"},
     {"user": "u"}, {"host": "a b"}, {"tls": "ssl"}, {"port": 0},
     {"host": "mail.example.org", "user": "u", "password": {"env": "P"}}],
)  # fmt: skip
def test_wrong_mail_servers_are_refused(world: Any, options: dict[str, object]) -> None:
    with pytest.raises(Refused):
        world.happen("sendmail", MAIL, options)


def test_server_that_is_not_there_is_tried_again(world: Any, sink: Any, rude: Any) -> None:
    closed = rude(b"")
    parts = world.happen("sendmail", MAIL, {"port": closed}, attempts=3)
    state, detail, outcome = world.last(parts)
    assert (state, outcome) == ("waiting", "failed")
    assert "closed the connection" in detail
    assert parts.deliveries.find()[0].attempts == 3


@pytest.mark.parametrize(
    ("says", "sentence", "state"),
    [
        (None, "did not answer in time", "waiting"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak SMTP", "waiting"),
        (b"421 " + SECRET.encode() + b"\r\n", "code 421", "waiting"),
        (b"554 " + SECRET.encode() + b"\r\n", "code 554", "dead"),
    ],
)
def test_rude_servers(world: Any, rude: Any, says: bytes | None, sentence: str, state: str) -> None:
    parts = world.happen("sendmail", MAIL, {"port": rude(says), "timeout": 0.3})
    got, detail, outcome = world.last(parts)
    assert (got, outcome) == (state, "failed")
    assert sentence in detail
    assert SECRET not in detail


def test_refused_connection(world: Any, sink: Any) -> None:
    parts = world.happen("sendmail", MAIL, {"port": 1, "timeout": 2})
    state, detail, _ = world.last(parts)
    assert state == "waiting"
    assert "cannot be reached (ConnectionRefusedError)" in detail


@pytest.mark.parametrize(
    ("reply", "state"), [("451 later " + SECRET, "waiting"), ("550 never " + SECRET, "dead")]
)
def test_refused_recipient_and_refused_data(world: Any, sink: Any, reply: str, state: str) -> None:
    sink.data = reply
    parts = world.happen("sendmail", MAIL, sink.server)
    got, detail, _ = world.last(parts)
    assert got == state
    assert f"code {reply[:3]}" in detail
    assert SECRET not in detail
    sink.data, sink.replies["x@example.org"] = "250 OK", reply
    parts = world.happen("sendmail", to("x@example.org"), sink.server)
    newest = parts.deliveries.find()[0]
    assert newest.state.value == state
    assert f"refused the recipient (code {reply[:3]})" in newest.detail


def test_at_least_once_when_some_have_to_wait(world: Any, sink: Any) -> None:
    sink.replies["b@example.org"] = "450 greylisted"
    options = to("a@example.org", "b@example.org", "c@example.org")
    parts = world.happen("sendmail", options, sink.server)
    state, detail, _ = world.last(parts)
    assert state == "waiting"
    assert "for 2 recipients, who will get it again at the next attempt" in detail
    sink.replies.clear()
    parts.worker.deliver()
    assert world.last(parts)[0] == "done"
    ids = [(recipients[0], message["Message-ID"]) for _, recipients, message in sink.mails]
    assert len(ids) == 5
    assert len(set(ids)) == 3


def test_refused_for_ever_for_some(world: Any, sink: Any) -> None:
    sink.replies["b@example.org"] = "550 no such user"
    parts = world.happen("sendmail", to("a@example.org", "b@example.org"), sink.server)
    state, detail, outcome = world.last(parts)
    assert (state, outcome, len(sink.mails)) == ("dead", "failed", 1)
    assert "For address 2" in detail
    assert "took the mail for 1 recipient." in detail


def test_server_that_closes_in_the_middle(world: Any, sink: Any) -> None:
    sink.replies["b@example.org"] = "421 closing"
    options = to("a@example.org", "b@example.org", "c@example.org")
    parts = world.happen("sendmail", options, sink.server)
    state, detail, _ = world.last(parts)
    assert (state, len(sink.mails)) == ("waiting", 1)
    assert "(code 421)" in detail
    assert "For address 3: The connection ended before it was its turn." in detail


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, ssl.SSLContext]:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "themis")])
    alternatives = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(alternatives, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file, both = tmp_path / "ca.pem", tmp_path / "server.pem"
    pem = serialization.Encoding.PEM
    file.write_bytes(made.public_bytes(pem))
    clear = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    both.write_bytes(made.public_bytes(pem) + clear)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    return file, context


def check_login(server: Any, session: Any, envelope: Any, mechanism: str, data: object) -> Any:
    good = isinstance(data, LoginPassword) and data.password == SECRET.encode()
    return AuthResult(success=good, handled=good)


def test_starttls_login_and_certificate(
    world: Any,
    serve: Callable[..., Any],
    certificate: tuple[Path, ssl.SSLContext],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ca_file, context = certificate
    sink = serve(
        tls_context=context, require_starttls=True, authenticator=check_login, auth_required=True
    )
    monkeypatch.setenv("SMTP_PASSWORD", SECRET)
    server = sink.server | {
        "tls": "starttls", "ca_file": str(ca_file), "user": "u",
        "password": {"env": "SMTP_PASSWORD"},
    }  # fmt: skip
    parts = world.happen("sendmail", MAIL, server)
    assert world.last(parts)[0] == "done"
    assert len(sink.mails) == 1

    monkeypatch.setenv("SMTP_PASSWORD", "wrong-" + SECRET)
    newest = world.happen("sendmail", MAIL, server).deliveries.find()[0]
    assert newest.state.value == "dead"
    assert "did not accept the login (code 535)" in newest.detail
    assert SECRET not in newest.detail

    monkeypatch.delenv("SMTP_PASSWORD")
    newest = world.happen("sendmail", MAIL, server).deliveries.find()[0]
    assert newest.state.value == "waiting"
    assert "SMTP_PASSWORD is not set" in newest.detail

    untrusting = sink.server | {"tls": "starttls"}
    newest = world.happen("sendmail", MAIL, untrusting).deliveries.find()[0]
    assert newest.state.value == "waiting"
    assert "certificate that is not trusted" in newest.detail
    newest = world.happen("sendmail", MAIL, untrusting | {"ca_file": "gone.pem"}).deliveries.find()
    assert "ca_file cannot be read" in newest[0].detail
    assert len(sink.mails) == 1


def test_tls_that_is_asked_for_is_never_left_out(world: Any, sink: Any) -> None:
    parts = world.happen("sendmail", MAIL, sink.server | {"tls": "starttls"})
    assert world.last(parts)[0] == "dead"
    assert "STARTTLS" in world.last(parts)[1]
    parts = world.happen("sendmail", MAIL, sink.server | {"tls": "tls", "timeout": 2})
    assert "does not speak TLS" in parts.deliveries.find()[0].detail
    assert not sink.mails
