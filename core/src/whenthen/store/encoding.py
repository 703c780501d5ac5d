"""JSON text in columns, and configuration as it was written."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["from_json", "to_json"]


def to_json(value: object) -> str:
    """Return JSON text, in ASCII; the same value always gives the same text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def from_json(text: str) -> Any:  # whatever was stored
    """Return the value of a JSON text."""
    return json.loads(text)
