"""Handing messages to a mail server. What it says is never repeated: it may echo secrets."""

from __future__ import annotations

import smtplib
import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from email.message import EmailMessage

from attrs import frozen

from whenthen_usernotification.addresses import split_sender
from whenthen_usernotification.mail_server import MailServer

__all__ = ["Failure", "hand_over"]

_LEAST_SECONDS = 0.2
_PARTING_SECONDS = 1.0
_CLOSING = 421
_FAILURES = (smtplib.SMTPException, OSError, ValueError)


@frozen
class Failure:
    """Why a message was not taken: a sentence; `permanent` if trying again is of no use."""

    sentence: str
    permanent: bool = False


class _ConnectionFailedError(Exception):
    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.sentence)
        self.failure = failure


def hand_over(
    server: MailServer, messages: Sequence[tuple[str, EmailMessage]], deadline: float
) -> list[Failure | None]:
    """Send each message to its address; return for each None, or why the server did not take it."""
    results: list[Failure | None] = []
    try:
        with _connected(server, deadline) as connection:
            for address, message in messages:
                failure, usable = _send(connection, server, address, message, deadline)
                results.append(failure)
                if failure is not None and not usable:
                    break
    except _ConnectionFailedError as error:
        results = [error.failure] * len(messages)
    if len(results) < len(messages):
        lost = Failure("The connection ended before it was its turn.")
        results += [lost] * (len(messages) - len(results))
    return results


@contextmanager
def _connected(server: MailServer, deadline: float) -> Iterator[smtplib.SMTP]:
    connection: smtplib.SMTP | None = None
    try:
        connection = _open(server, _seconds(server, deadline))
        if server.tls == "starttls":
            connection.starttls(context=_context(server))
        if server.user is not None and server.password is not None:
            connection.login(server.user, server.password)
    except _FAILURES as error:
        if connection is not None:
            connection.close()
        raise _ConnectionFailedError(_explained(error, server)) from None
    except _ConnectionFailedError:
        if connection is not None:
            connection.close()
        raise
    try:
        yield connection
    finally:
        _part(connection)


def _open(server: MailServer, seconds: float) -> smtplib.SMTP:
    # Given here, since smtplib's own way asks the name service, for which there is no time limit.
    name = socket.gethostname()
    name = name if "." in name else "[127.0.0.1]"
    if server.tls == "tls":
        context = _context(server)
        return smtplib.SMTP_SSL(server.host, server.at, name, timeout=seconds, context=context)
    return smtplib.SMTP(server.host, server.at, name, timeout=seconds)


def _context(server: MailServer) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=server.ca_file)
    except OSError:  # ssl.SSLError among them
        raise _ConnectionFailedError(
            Failure("The mail server's ca_file cannot be read as certificates in PEM form.")
        ) from None


def _part(connection: smtplib.SMTP) -> None:
    """Say good-bye; whether the server hears it no longer matters."""
    try:
        if connection.sock is not None:
            connection.sock.settimeout(_PARTING_SECONDS)
            connection.quit()
    except _FAILURES:
        pass
    finally:
        connection.close()


def _send(
    connection: smtplib.SMTP,
    server: MailServer,
    address: str,
    message: EmailMessage,
    deadline: float,
) -> tuple[Failure | None, bool]:
    """Return why the message was not taken, or None, and whether the connection can go on."""
    if deadline - time.monotonic() < _LEAST_SECONDS:
        return Failure("No time was left for it."), False
    try:
        if connection.sock is not None:
            connection.sock.settimeout(_seconds(server, deadline))
        connection.send_message(message, split_sender(server.sender)[1], [address])
    except _FAILURES as error:
        goes_on = connection.sock is not None and _code(error) not in (0, _CLOSING)
        return _explained(error, server), goes_on
    return None, True


def _seconds(server: MailServer, deadline: float) -> float:
    left = deadline - time.monotonic() - _LEAST_SECONDS
    return max(_LEAST_SECONDS, min(server.timeout, left))


def _code(error: Exception) -> int:
    """Return the server's reply code; 0 if it gave none."""
    match error:
        case smtplib.SMTPRecipientsRefused():
            return max(code for code, _text in error.recipients.values())
        case smtplib.SMTPResponseException():
            return max(0, error.smtp_code)
        case _:
            return 0


def _explained(error: Exception, server: MailServer) -> Failure:
    where, code = f"The mail server at {server.host}:{server.at}", _code(error)
    permanent = 500 <= code <= 599
    match error:
        case ssl.SSLCertVerificationError():
            return Failure(
                f"{where} showed a certificate that is not trusted. Name the file of the authority "
                "that signed it as ca_file, and the host as the certificate does."
            )
        case ssl.SSLError():
            return Failure(f"{where} does not speak TLS as expected. Check its port and tls.")
        case TimeoutError() | smtplib.SMTPServerDisconnected(__context__=TimeoutError()):
            return Failure(f"{where} did not answer in time.")
        case smtplib.SMTPAuthenticationError():
            return Failure(
                f"{where} did not accept the login (code {code}). Check its user and password.",
                permanent,
            )
        case smtplib.SMTPRecipientsRefused():
            return Failure(f"{where} refused the recipient (code {code}).", permanent)
        case smtplib.SMTPSenderRefused():
            return Failure(f"{where} refused the sender (code {code}).", permanent)
        case smtplib.SMTPResponseException() if code:
            return Failure(f"{where} refused (code {code}).", permanent)
        case smtplib.SMTPServerDisconnected():
            return Failure(f"{where} closed the connection.")
        case smtplib.SMTPResponseException():
            return Failure(f"{where} does not speak SMTP. Check its port and tls.")
        case smtplib.SMTPNotSupportedError():
            return Failure(
                f"{where} offers no such thing as its configuration or the message asks for: "
                "STARTTLS, a login, or addresses beyond ASCII. Check its port, tls and user.",
                permanent=True,
            )
        case smtplib.SMTPException() | ValueError():
            return Failure(
                f"{where} cannot be used as it is configured ({type(error).__name__}). "
                "Check its user and password.",
                permanent=True,
            )
        case _:
            return Failure(
                f"{where} cannot be reached ({type(error).__name__}). "
                "Check its host and port, and whether it runs."
            )
