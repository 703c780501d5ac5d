from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from wheels import Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A folder for distributions that a test installs."""
    folder = tmp_path / "site"
    folder.mkdir()
    return Site(folder)
