from __future__ import annotations

from pathlib import Path

import pytest
from wheels import Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A folder for distributions that a test installs."""
    folder = tmp_path / "site"
    folder.mkdir()
    return Site(folder)
