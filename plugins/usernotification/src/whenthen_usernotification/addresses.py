"""What is one mail address, and nothing else."""

from __future__ import annotations

import re

__all__ = ["is_address", "split_sender"]

# Narrower than RFC 5321 (no quoted local part, no address literal), so that no two parsers can
# read it differently: what is one address here is one address to every mail server.
_ADDRESS = re.compile(r"[^\s@<>()\[\],;:\\\"]{1,64}@[^\s@<>()\[\],;:\\\"]{1,255}")
_SENDER = re.compile(r"(?P<name>[^<>\r\n]*)<(?P<address>[^<>]*)>")


def is_address(text: str) -> bool:
    """Return whether a text is exactly one mail address, local part and domain."""
    if not _ADDRESS.fullmatch(text) or not text.isprintable() or not text.isascii():
        return False
    from email.errors import MessageError
    from email.headerregistry import Address

    try:
        address = Address(addr_spec=text)
    except (ValueError, IndexError, MessageError):
        return False
    return address.addr_spec == text


def split_sender(text: str) -> tuple[str, str]:
    """Return name and address of `Name <address>`, or no name and the text."""
    match = _SENDER.fullmatch(text.strip())
    if match is None:
        return "", text.strip()
    return match["name"].strip().strip('"'), match["address"].strip()
