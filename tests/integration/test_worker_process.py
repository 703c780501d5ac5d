"""Deferred actions, delivered by a second process: `whenthen worker`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from wheels import Site

DIARY = '''
import os
from attrs import frozen
from whenthen import Action, Effect, EventType, HandlerModule, Outcome, Run, hookimpl, option

@frozen
class Write:
    """Write a line into the diary."""
    line: str = option("The line", template=True)
    fail_until: int = option("The first attempt that succeeds", default=1)

def write(run: Run[Write]) -> Outcome:
    if run.delivery.attempt < run.options.fail_until:
        raise ConnectionError("the password is s3cret")
    with open("diary.txt", "a") as diary:
        print(os.getpid(), run.delivery.id, run.options.line, run.fact("event.type"), file=diary)
    return Outcome.done("Written.")

@hookimpl
def whenthen_handler_modules():
    action = Action("write", write, options=Write, effect=Effect.EXTERNAL, facts=["event.type"])
    return [HandlerModule("diary", "Keeps a diary.", actions=[action])]

@hookimpl
def whenthen_event_types():
    return [EventType("knock", "Somebody knocks.")]
'''

HOST = """
import os, sys, whenthen
engine = whenthen.build(executor=None)

@engine.event("knock")
def knock(user):
    return True

for user in sys.argv[1:]:
    knock(user=user)
engine.close()
print(os.getpid())
"""

BINDINGS = """
bindings:
  - name: dear-diary
    events: [knock]
    position: post
    handler: diary
    action: write
    options: {line: "{user} knocked"}
"""


@pytest.fixture
def diary(site: Site) -> Site:
    """A plugin that writes a diary, and a binding that uses it."""
    site.install("diary", DIARY)
    (site.folder.parent / "bindings.yaml").write_text(BINDINGS)
    done = site.whenthen("apply", "bindings.yaml")
    assert done.returncode == 0, done.stderr
    return site


def _lines(site: Site) -> list[list[str]]:
    file = site.folder.parent / "diary.txt"
    return [line.split() for line in file.read_text().splitlines()] if file.exists() else []


def test_a_second_process_delivers_what_the_host_deferred(diary: Site) -> None:
    host = diary.run("-c", HOST, "hugo", "anna")
    assert host.returncode == 0, host.stderr
    assert not _lines(diary)
    waiting = json.loads(diary.whenthen("deliveries", "--json").stdout)
    assert [delivery["state"] for delivery in waiting] == ["waiting", "waiting"]

    worker = diary.whenthen("worker", "--once")
    assert worker.returncode == 0, worker.stderr
    lines = _lines(diary)
    assert [line[2:] for line in lines] == [
        ["hugo", "knocked", "knock"],
        ["anna", "knocked", "knock"],
    ]
    assert {line[0] for line in lines} != {host.stdout.strip()}
    assert {line[1] for line in lines} == {delivery["id"] for delivery in waiting}
    done = json.loads(diary.whenthen("deliveries", "--json", "--state", "done").stdout)
    assert {delivery["detail"] for delivery in done} == {"Written."}
    # Delivered is delivered: a second look finds nothing to do.
    diary.whenthen("worker", "--once")
    assert len(_lines(diary)) == 2


def test_a_failed_attempt_is_kept_without_its_message_and_tried_again_later(diary: Site) -> None:
    text = BINDINGS.replace('knocked"}', 'knocked", fail_until: 2}')
    (diary.folder.parent / "bindings.yaml").write_text(text)
    assert diary.whenthen("apply", "bindings.yaml").returncode == 0
    diary.run("-c", HOST, "hugo")
    diary.whenthen("worker", "--once")
    assert not _lines(diary)
    (delivery,) = json.loads(diary.whenthen("deliveries", "--json").stdout)
    assert (delivery["state"], delivery["attempts"]) == ("waiting", 1)
    assert delivery["due"] > delivery["created"]
    shown = diary.whenthen("deliveries", delivery["id"], "--json").stdout
    (attempt,) = json.loads(shown)["tries"]
    assert (attempt["outcome"], attempt["error"]) == ("failed", "ConnectionError")
    assert "s3cret" not in shown


def test_a_running_worker_ends_on_a_signal_and_delivers_until_then(diary: Site) -> None:
    environ = {**os.environ, "PYTHONPATH": str(diary.folder)}
    command = [sys.executable, "-m", "whenthen", "worker"]
    folder: Path = diary.folder.parent
    with subprocess.Popen(command, cwd=folder, env=environ, stdout=subprocess.PIPE) as worker:
        try:
            assert worker.stdout is not None
            assert b"delivers" in worker.stdout.readline()
            diary.run("-c", HOST, "hugo")
            deadline = time.monotonic() + 30
            while not _lines(diary) and time.monotonic() < deadline:
                time.sleep(0.05)
            assert [line[2] for line in _lines(diary)] == ["hugo"]
        finally:
            worker.send_signal(signal.SIGTERM)
        assert worker.wait(timeout=30) == 0
