"""How the codes of email and sms tokens are sent: by SMTP, to a gateway for text messages too."""

from __future__ import annotations

import re
import smtplib
import ssl
from email.message import EmailMessage

from whenthen_otpserver.errors import Unreachable
from whenthen_otpserver.settings import Settings, Smtp, Tls

__all__ = ["message_for", "send"]


def message_for(settings: Settings, medium: str, address: str, code: str) -> EmailMessage:
    """Return the mail with a code.

    Raises:
        Unreachable: no mail server is configured, or there is no address.
    """
    if settings.smtp is None:
        raise Unreachable("No mail server is configured, so no code can be sent.")
    if not address:
        raise Unreachable("There is no address that the code could be sent to.")
    if medium == "sms":
        if "{phone}" not in settings.sms_address:
            raise Unreachable("No gateway for text messages is configured; set sms_address.")
        digits = re.sub(r"[^0-9+]", "", address)
        address = settings.sms_address.replace("{phone}", digits)
    message = EmailMessage()
    message["From"] = settings.smtp.sender
    message["To"] = address
    message["Subject"] = f"Your {settings.issuer} code"
    minutes = max(1, settings.challenge_lifetime // 60)
    message.set_content(f"Your code is {code}. It works once, for {minutes} min.\n")
    return message


def send(smtp: Smtp, message: EmailMessage) -> None:
    """Hand a mail to the server.

    Raises:
        Unreachable: the server is away, or refused it.
    """
    try:
        with _connect(smtp) as server:
            if smtp.user:
                server.login(smtp.user, smtp.password)
            server.send_message(message)
    except (OSError, smtplib.SMTPException) as error:
        raise Unreachable("The mail server is away or refused the mail with the code.") from error


def _connect(smtp: Smtp) -> smtplib.SMTP:
    if smtp.tls is Tls.TLS:
        return smtplib.SMTP_SSL(
            smtp.host, smtp.port, timeout=smtp.timeout, context=ssl.create_default_context()
        )
    server = smtplib.SMTP(smtp.host, smtp.port, timeout=smtp.timeout)
    if smtp.tls is Tls.STARTTLS:
        try:
            server.starttls(context=ssl.create_default_context())
        except (OSError, smtplib.SMTPException):
            server.close()
            raise
    return server
