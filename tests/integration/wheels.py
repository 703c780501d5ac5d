"""Real distributions made on the spot: a wheel, installed by uv into a folder of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

__all__ = ["Site"]

WHEEL = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


@frozen
class Site:
    """A folder that distributions are installed into, and a process that sees them."""

    folder: Path

    def install(
        self,
        plugin: str,
        source: str,
        *,
        module: str = "",
        version: str = "1.0",
        requires: tuple[str, ...] = (),
    ) -> None:
        """Build a wheel with one module and one entry point, and install it."""
        module = module or f"whenthen_{plugin}"
        wheel = self._wheel(module, version, source, requires, f"{plugin} = {module}")
        self._uv("install", "--no-deps", "--no-index", "--target", str(self.folder), str(wheel))

    def uninstall(self, module: str) -> None:
        """Uninstall a distribution."""
        self._uv("uninstall", "--target", str(self.folder), module.replace("_", "-"))

    def whenthen(
        self, *arguments: str, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the command line where the distributions are installed."""
        return self.run("-m", "whenthen", *arguments, cwd=cwd)

    def run(
        self, *arguments: str, cwd: Path | None = None, environ: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run Python where the distributions are installed."""
        return subprocess.run(
            [sys.executable, *arguments],
            env={**os.environ, "PYTHONPATH": str(self.folder), **(environ or {})},
            cwd=cwd or self.folder.parent,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def plugins(self) -> dict[str, Any]:
        """Return what `whenthen plugins --json` says, by plugin."""
        done = self.whenthen("plugins", "--json")
        assert done.returncode == 0, done.stderr
        return {plugin["name"]: plugin for plugin in json.loads(done.stdout)}

    def _wheel(
        self, module: str, version: str, source: str, requires: tuple[str, ...], entry: str
    ) -> Path:
        name = f"{module}-{version}"
        wheel = self.folder.parent / f"{name}-py3-none-any.whl"
        metadata = ["Metadata-Version: 2.1", f"Name: {module.replace('_', '-')}"]
        metadata += [f"Version: {version}", *(f"Requires-Dist: {need}" for need in requires)]
        files = {
            f"{module}.py": source,
            f"{name}.dist-info/METADATA": "\n".join(metadata) + "\n",
            f"{name}.dist-info/WHEEL": WHEEL,
            f"{name}.dist-info/entry_points.txt": f"[whenthen.plugins]\n{entry}\n",
        }
        record = "".join(f"{path},,\n" for path in [*files, f"{name}.dist-info/RECORD"])
        with zipfile.ZipFile(wheel, "w") as archive:
            for path, text in {**files, f"{name}.dist-info/RECORD": record}.items():
                archive.writestr(path, text)
        return wheel

    def _uv(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "uv", "--quiet", "pip", *arguments]
        subprocess.run(command, check=True, timeout=60)
