"""The command line as it is called: exit statuses, JSON, refusals in full."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from attrs import define

from whenthen.cli import main

if TYPE_CHECKING:
    from core.tests.conftest import Lab


@define
class Shell:
    """Runs the command line's own `main`, which decides about the exit status."""

    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch

    def __call__(self, *arguments: str, status: int = 0) -> str:
        self.monkeypatch.setattr(sys, "argv", ["whenthen", *arguments])
        self.capsys.readouterr()
        code: object = 0
        try:
            main()
        except SystemExit as leaving:
            code = leaving.code or 0
        out, err = self.capsys.readouterr()
        assert code == status, out + err
        return out if status == 0 else err

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "--json"))


@pytest.fixture
def shell(lab: Lab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.setenv("WHENTHEN_DATABASE_URL", lab.url)
    build_module: Any = importlib.import_module("whenthen.build")
    from_core = build_module.load_plugins

    def with_lab(**given: Any) -> Any:
        from whenthen import Action, Effect, Outcome

        act = Action("act", lambda _: Outcome.done(), effect=Effect.OBSERVE)
        send = Action("send", lambda _: Outcome.done("Sent."), effect=Effect.EXTERNAL)
        extra = {"lab_plugin": lab.plugin([act, send])}
        return from_core(**given | {"extra": extra | dict(given.get("extra") or {})})

    monkeypatch.setattr(build_module, "load_plugins", with_lab)
    return Shell(capsys, monkeypatch)


FILE = """
bindings:
  - {name: one, events: [op], position: post, handler: lab, action: act}
  - {name: two, events: [op], position: post, handler: lab, action: send, order: 1}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "bindings.yaml"
    path.write_text(FILE)
    return path


def test_every_listing_has_json(shell: Shell, file: Path) -> None:
    assert shell.json("bindings") == shell.json("records") == shell.json("deliveries") == []
    assert {"basic", "lab_plugin"} <= {row["name"] for row in shell.json("plugins")}
    catalog = shell.json("catalog")
    assert {"event_types", "handler_modules", "conditions", "facts"} <= set(catalog)
    assert shell.json("plan", str(file))["applied"] is False
    steps = shell.json("apply", str(file))["steps"]
    assert [(step["kind"], step["thing"]) for step in steps] == [
        ("create", "one"),
        ("create", "two"),
    ]
    assert [row["name"] for row in shell.json("bindings")] == ["one", "two"]
    assert shell.json("history", "one")[0]["change"] == "created"


def test_plan_changes_nothing_and_apply_twice_neither(shell: Shell, file: Path) -> None:
    assert "2 to create" in shell("plan", str(file))
    assert shell.json("bindings") == []
    assert "2 created" in shell("apply", str(file))
    assert "Nothing changes" in shell("apply", str(file))
    file.write_text(shell("export"))
    assert "Nothing changes" in shell("apply", str(file), "--prune")
    file.write_text("bindings: []")
    assert "stays" in shell("apply", str(file))
    assert "2 deleted" in shell("apply", str(file), "--prune")


def test_a_refusal_lists_every_problem(shell: Shell, file: Path) -> None:
    file.write_text(FILE.replace("[op]", "[opp]").replace("action: send", "action: sned"))
    said = shell("apply", str(file), status=1)
    assert "nothing was changed" in said
    assert "bindings[0].events[0]" in said
    assert "sned" in said
    assert shell.json("bindings") == []


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["enable", "nobody"], 1), (["history", "nobody"], 1), (["rollback", "nobody", "1"], 1),
        (["deliveries", "nothing"], 1), (["apply", "/nowhere.yaml"], 1),
        (["--database", "nonsense", "bindings"], 1), (["bindings", "--database", "nonsense"], 1),
        (["nonsense"], 2), (["bindings", "--nonsense"], 2), (["enable"], 2), (["demo", "x"], None),
        (["rollback", "one", "x"], 2), (["records", "--last", "-1"], 2),
        (["records", "--last", "x"], 2),
        (["--help"], 0), (["--version"], 0), (["bindings", "-h"], 0),
    ],
)  # fmt: skip
def test_exit_statuses(arguments: list[str], status: int | None, shell: Shell) -> None:
    if status is None:
        shell.monkeypatch.setattr(importlib.metadata, "entry_points", lambda **_: [])
        assert "pip install" in shell(*arguments, status=2)
    else:
        assert shell(*arguments, status=status)


def test_disable_enable_and_rollback(shell: Shell, file: Path) -> None:
    shell("apply", str(file))
    assert "disabled" in shell("disable", "one")
    assert "already" in shell("disable", "one")
    assert [row["state"] for row in shell.json("bindings")] == ["disabled", "active"]
    assert "version 1" in shell("rollback", "one", "1")
    assert [row["state"] for row in shell.json("bindings")] == ["active", "active"]
    assert [row["change"] for row in shell.json("history", "one")] == [
        "back to 1", "disabled", "created",
    ]  # fmt: skip
    shell("rollback", "one", "9", status=1)


def test_records_and_deliveries_tell_what_happened(shell: Shell, file: Path, lab: Lab) -> None:
    from whenthen import build

    shell("apply", str(file))
    engine = build(executor=None)
    lab.engines.append(engine)
    engine.event("op")(lambda **_: None)()
    lab.records(engine)
    assert "one: done" in shell("records")
    assert [row["binding"] for row in shell.json("records", "--binding", "two")] == ["two"]
    (row,) = shell.json("deliveries")
    assert (row["state"], row["attempts"]) == ("waiting", 0)
    shell("worker", "--once")
    found = shell.json("deliveries", row["id"])
    assert (found["state"], found["tries"][0]["detail"]) == ("done", "Sent.")
    assert "Sent." in shell("deliveries", row["id"])
    assert "no deliveries" in shell("deliveries", "--state", "dead")


def test_a_broken_command_of_a_plugin_says_so_and_others_work(shell: Shell) -> None:
    broken = EntryPoint("broken", "no_such_module:command", "whenthen.commands")
    real = importlib.metadata.entry_points
    shell.monkeypatch.setattr(
        importlib.metadata, "entry_points",
        lambda **chosen: [broken] if chosen.get("group") == "whenthen.commands" else real(**chosen),
    )  # fmt: skip
    assert "cannot be loaded (ModuleNotFoundError)" in shell("broken", status=1)
    assert "broken" in shell("--help")
    assert shell.json("bindings") == []


def test_as_a_process(lab: Lab) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "whenthen", "--database", lab.url, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    assert json.loads(run("bindings", "--json").stdout) == []
    refused = run("enable", "nobody")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "Traceback" not in refused.stderr
    assert run("nonsense").returncode == 2
