"""Runs deptry on every distribution: are its declared dependencies those that it imports?

deptry takes its settings and the dependencies from one and the same file, and here they stand in
two: the settings in the repository's pyproject.toml, the dependencies in each distribution's. This
puts the two together for deptry.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def check(distribution: Path, settings: str) -> bool:
    """Whether deptry finds nothing to say about a distribution's folder."""
    print(f"deptry: {distribution.relative_to(ROOT)}", flush=True)
    packaging = (distribution / "pyproject.toml").read_text()
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "pyproject.toml")
        config.write_text(f"{packaging}\n{settings}")
        command = [sys.executable, "-m", "deptry", "--config", str(config), "src"]
        return subprocess.run(command, cwd=distribution, check=False).returncode == 0


def main() -> int:
    """Check all the distributions, then fail if one of them was wrong."""
    settings = (ROOT / "pyproject.toml").read_text()
    distributions = [ROOT / "core", *sorted(ROOT.glob("plugins/*"))]
    results = [check(distribution, settings) for distribution in distributions]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
