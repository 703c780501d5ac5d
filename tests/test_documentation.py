"""The documentation against the code: its examples run, its file is accepted, its names exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from whenthen.build import known
from whenthen.cli import cli
from whenthen.configuration import Configuration, difference, read
from whenthen.errors import WhenthenError

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *ROOT.glob("core/*.md"), *ROOT.glob("plugins/*/*.md")]
PAGES += sorted((ROOT / "docs").rglob("*.md"))


def _blocks(language: str) -> list[ParameterSet]:
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for number, block in enumerate(re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)):
            name = f"{page.relative_to(ROOT)}-{number}"
            found.append(pytest.param(block, id=name))
    assert found
    return found


@pytest.mark.parametrize("block", _blocks("python"))
def test_an_example_in_python_runs(block: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", block],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "quarantined" not in done.stderr


@pytest.mark.parametrize("block", _blocks("yaml"))
def test_a_file_in_yaml_is_accepted(
    block: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in re.findall(r"handler: scripthandler\n +action: (\S+)", block):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o700)
    monkeypatch.setenv("WHENTHEN_SCRIPTHANDLER_DIRECTORY", str(tmp_path))
    if block.startswith("conditions:"):
        # A page may show the clauses alone; any binding can carry them.
        lines = "".join(f"    {line}\n" for line in block.splitlines())
        block = (
            "bindings:\n  - name: x\n    events: [auth]\n    position: post\n"
            f"    handler: tokenhandler\n    action: disable\n{lines}"
        )
    _, registry = known()
    wanted = read(block)
    assert wanted.bindings
    themis = read(
        "resources: [{name: themis, kind: mail_server, options: {host: h, sender: a@example.org}}]"
    )
    steps = difference(Configuration({}, themis.resources), wanted, registry)
    assert {step.thing.name for step in steps} >= set(wanted.bindings)


def test_every_command_that_a_page_names_exists() -> None:
    commands = set(cli.list_commands(None))  # type: ignore[arg-type]  # it asks for no context
    for page in PAGES:
        for name in re.findall(r"`whenthen ([a-z-]+)", page.read_text(encoding="utf-8")):
            assert name in commands, f"{page.name} names `whenthen {name}`"


def _tree(error: type[WhenthenError]) -> list[type[WhenthenError]]:
    return [error, *(below for kind in error.__subclasses__() for below in _tree(kind))]


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [error.code for error in _tree(WhenthenError)]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"WT-\d{3}", code) for code in codes)
