"""Settings of whenthen itself, read from the environment in this one place."""

from __future__ import annotations

import os

__all__ = ["bypassed", "database_url"]

DEFAULT_DATABASE = "sqlite:///whenthen.db"


def database_url() -> str:
    """Return `WHENTHEN_DATABASE_URL`; by default, an SQLite file in the working directory."""
    return os.environ.get("WHENTHEN_DATABASE_URL") or DEFAULT_DATABASE


def bypassed() -> frozenset[str]:
    """Return what `WHENTHEN_DISABLE` names: all, positions, bindings, separated by commas.

    It lets an administrator in when a binding locks everyone out. Each use of it is recorded.
    """
    names = os.environ.get("WHENTHEN_DISABLE", "").split(",")
    return frozenset(name.strip() for name in names if name.strip())
