"""Building messages. Nothing that a tag brings can become a header, or HTML."""

from __future__ import annotations

import html
from collections.abc import Sequence
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from html.parser import HTMLParser

from whenthen import Run
from whenthen_usernotification.addresses import split_sender
from whenthen_usernotification.options import SendMail
from whenthen_usernotification.recipients import Recipient

__all__ = ["build_message", "plain_text"]

_BLOCKS = {"p", "div", "br", "tr", "li", "ul", "ol", "table", "h1", "h2", "h3", "h4", "blockquote"}
_UNSEEN = {"style", "script", "head", "title"}


def build_message(
    run: Run[SendMail],
    recipient: Recipient,
    *,
    sender: str,
    reply_to: Sequence[Recipient],
    message_id: str,
) -> EmailMessage:
    """Return the message for one recipient.

    Raises:
        ValueError: a value does not fit into a header, a line break for instance.
    """
    options = run.configured
    own = {
        "recipient_givenname": recipient.givenname,
        "recipient_surname": recipient.surname,
    }
    name, address = split_sender(sender)
    message = EmailMessage()
    message["From"] = Address(name, addr_spec=address)
    message["To"] = Address(addr_spec=recipient.address)
    if reply_to:
        message["Reply-To"] = tuple(Address(addr_spec=one.address) for one in reply_to)
    message["Subject"] = run.render(options.subject, own)
    message["Date"] = format_datetime(run.event.time)
    message["Message-ID"] = message_id
    message["Auto-Submitted"] = "auto-generated"
    if options.mimetype == "html":
        text = run.render(options.body, own, html.escape)
        message.set_content(plain_text(text))
        message.add_alternative(text, subtype="html")
    else:
        message.set_content(run.render(options.body, own))
    return message


def plain_text(markup: str) -> str:
    """Return what a reader of an HTML text sees, and where its links lead."""
    reader = _Reader()
    reader.feed(markup)
    reader.close()
    lines = "".join(reader.parts).split("\n")
    kept = [" ".join(line.split()) for line in lines]
    text = "\n".join(line for i, line in enumerate(kept) if line or (i and kept[i - 1]))
    return text.strip() + "\n"


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._unseen = 0
        self._link = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _UNSEEN:
            self._unseen += 1
        elif tag in _BLOCKS:
            self.parts.append("\n")
        elif tag == "a":
            self._link = dict(attrs).get("href") or ""

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNSEEN:
            self._unseen = max(0, self._unseen - 1)
        elif tag in _BLOCKS:
            self.parts.append("\n")
        elif tag == "a" and self._link:
            self.parts.append(f" ({self._link})")
            self._link = ""

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.parts.append(data.replace("\n", " "))
