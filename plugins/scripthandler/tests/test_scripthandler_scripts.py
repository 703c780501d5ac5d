"""Scripts as actions, bound and fired through an engine; and attacks on them."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import svcs
from attrs import define, field, frozen

import whenthen
from whenthen import Actor, EventType, Record, Unavailable, hookimpl, parse
from whenthen.binding import Binding
from whenthen.build import Parts, assemble
from whenthen.hosts import FunctionAdapter
from whenthen.identity import Token, TokenStore
from whenthen.plan import compile_binding

EVENT = "scripthandler_test"


class Tokens:
    """A host whose every serial is a token, whatever it looks like."""

    def get(self, serial: str) -> Token:
        return Token(serial, "hotp")


class Host:
    """A host application as a plugin."""

    @hookimpl
    def whenthen_event_types(self) -> Sequence[EventType]:
        return [EventType(EVENT, secrets={"password"})]

    @hookimpl
    def whenthen_services(self, registry: svcs.Registry) -> None:
        registry.register_value(TokenStore, Tokens())


@frozen
class Bound:
    """What a binding may say beside its action and options."""

    mode: str = "inline"
    on_error: str = "continue"


@define
class World:
    """A script directory, and what it takes to fire one event at one script."""

    url: str
    directory: Path
    actor: Actor | None = None
    before_call: Callable[[], object] = field(default=lambda: None)

    def script(self, name: str, body: str, mode: int = 0o755) -> Path:
        path = self.directory / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(mode)
        return path

    def parts(self) -> Parts:
        return assemble(
            database_url=self.url, plugins={"host": Host()},
            settings={"scripthandler": {"directory": str(self.directory)}},
        )  # fmt: skip

    def fire(
        self, script: str, *, options: object = None, bound: Bound = Bound(), **call: object
    ) -> Record:
        """Bind a script, call the host once, and return the record."""
        parts = self.parts()
        raw = {
            "name": "it", "events": [EVENT], "position": "pre", "handler": "scripthandler",
            "action": script, "options": options or {}, "mode": bound.mode,
            "on_error": bound.on_error,
        }  # fmt: skip
        binding = parse(Binding, raw)
        compile_binding(binding, parts.registry, {})
        parts.bindings.change(put=[binding], who="test")
        engine = whenthen.build(
            database_url=self.url, plugins={"host": Host()},
            settings={"scripthandler": {"directory": str(self.directory)}},
            adapter=FunctionAdapter(actor=lambda: self.actor),
            executor=None,
        )  # fmt: skip

        @engine.event(EVENT)
        def operation(**_: object) -> str:
            return "answered"

        self.before_call()
        try:
            assert operation(**call) == "answered"
        finally:
            engine.close()
            ((_, record), *_) = parts.records.find()
            parts.database.close()
        return record

    def names(self) -> set[str]:
        """Return the scripts that are offered."""
        parts = self.parts()
        actions = parts.registry.actions(parts.registry.modules["scripthandler"])
        parts.database.close()
        return {action.name for action in actions}

    def plugin(self) -> tuple[str, str]:
        """Return the state and the reason of the plugin."""
        parts = self.parts()
        (found,) = (plugin for plugin in parts.plugins.now() if plugin.name == "scripthandler")
        parts.database.close()
        return found.state, found.reason


@pytest.fixture
def world(tmp_path: Path) -> World:
    directory = tmp_path / "scripts"
    directory.mkdir(mode=0o755)
    return World(f"sqlite:///{tmp_path / 'whenthen.db'}", directory)


def ends(pid_file: Path) -> None:
    """Fail unless the process whose number a file holds is gone soon."""
    pid, deadline = int(pid_file.read_text()), time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return
        if state == "Z":  # killed; who should wait for it is not ours to say
            return
        time.sleep(0.02)
    pytest.fail(f"the process {pid} still runs")


# What a script is given, and what comes of it.


def test_a_script_runs_and_its_status_and_output_are_recorded(world: World) -> None:
    world.script("hello.sh", 'echo "out $#"; echo err >&2; exit 3')
    record = world.fire("hello.sh")
    assert record.outcome == "done"
    assert record.detail == "The script 'hello.sh' ended with status 3; it wrote out 0 ⏎ err"


def test_raise_error_and_abort_stop_the_call(world: World) -> None:
    world.script("no.sh", "echo not today; exit 1")
    with pytest.raises(whenthen.Aborted, match="it wrote not today"):
        world.fire("no.sh", options={"raise_error": True}, bound=Bound(on_error="abort"))


def test_raise_error_alone_is_a_failure(world: World) -> None:
    world.script("no.sh", "kill -9 $$")
    record = world.fire("no.sh", options={"raise_error": True})
    assert (record.outcome, "by signal 9" in record.detail) == ("failed", True)


def test_arguments_are_those_asked_for_and_none_if_absent(world: World) -> None:
    world.script("args.sh", 'printf "<%s>" "$@"')
    asked = dict.fromkeys(("serial", "user", "realm", "logged_in_user", "logged_in_role"), True)
    world.actor = Actor("admin", "root")
    record = world.fire("args.sh", options=asked, user="hugo", realm="sales")
    assert record.detail.endswith(
        "<--serial=none><--user=hugo><--realm=sales><--logged_in_user=root><--logged_in_role=admin>"
    )
    world.actor = None
    record = world.fire("args.sh", options={"logged_in_role": True}, user="hugo")
    assert record.detail.endswith("it wrote <--logged_in_role=none>")


def test_the_event_stands_on_standard_input_masked(world: World, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    world.script("read.sh", f"cat > {seen}")
    big = "x" * 300_000  # more than a pipe holds
    record = world.fire("read.sh", options={"stdin": "event"}, password="s3cret", note=big)
    assert record.outcome == "done"
    event = json.loads(seen.read_text())
    assert event["type"] == EVENT
    assert event["request"]["parameters"] == {"password": "********", "note": big}


def test_a_script_that_does_not_read_its_input(world: World) -> None:
    world.script("deaf.sh", "exec 0<&-; echo fine")
    record = world.fire("deaf.sh", options={"stdin": "event"}, note="x" * 300_000)
    assert record.detail.endswith("it wrote fine")


def test_without_the_event_standard_input_is_empty(world: World) -> None:
    world.script("read.sh", "cat; echo end")
    assert world.fire("read.sh").detail.endswith("it wrote end")


def test_the_environment_is_empty_but_for_what_is_let_through(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_PASSWORD", "s3cret")
    monkeypatch.setenv("LET_THROUGH", "yes")
    world.script("env.sh", "exec /usr/bin/env -u PWD -u SHLVL -u OLDPWD -u _")
    record = world.fire("env.sh", options={"environment": ["LET_THROUGH", "NOT_SET", "A=B"]})
    wrote = record.detail.partition("it wrote ")[2].split(" ⏎ ")
    assert set(wrote) == {"PATH=/usr/bin:/bin", "LET_THROUGH=yes", "WHENTHEN_DELIVERY_ID="}


def test_a_deferred_script_is_delivered_with_what_was_known_at_the_event(world: World) -> None:
    world.script("later.sh", 'echo "$1 $WHENTHEN_DELIVERY_ID"; exit 1')
    record = world.fire("later.sh", options={"user": True}, bound=Bound("deferred"), user="hugo")
    assert record.outcome == "deferred"
    parts = world.parts()
    assert parts.worker.deliver() == 1
    (delivery,) = parts.deliveries.find()
    parts.database.close()
    assert delivery.state == "done"
    assert delivery.detail.endswith(f"with status 1; it wrote --user=hugo {record.delivery}")


def test_a_deferred_script_that_fails_is_tried_again(world: World) -> None:
    path = world.script("later.sh", "exit 1")
    world.fire("later.sh", options={"raise_error": True}, bound=Bound("deferred"))
    parts = world.parts()
    assert parts.worker.deliver() == 1
    (delivery,) = parts.deliveries.find()
    assert (delivery.state, delivery.attempts) == ("waiting", 1)
    path.unlink()
    parts.database.close()


# Attacks.


@pytest.mark.parametrize("name", ["../evil.sh", "/bin/sh", "sub/evil.sh", ".hidden", "-rf", ""])
def test_only_names_in_the_directory_are_actions(world: World, tmp_path: Path, name: str) -> None:
    marker = tmp_path / "ran"
    (world.directory / "sub").mkdir()
    for path in ("../evil.sh", "sub/evil.sh", ".hidden", "-rf"):
        world.script(path, f"touch {marker}")
    assert world.names() == set()
    with pytest.raises(Unavailable, match="has no action"):
        world.fire(name)
    assert not marker.exists()


def _link_out(path: Path) -> None:
    outside = path.parent.parent / "outside.sh"
    path.rename(outside)
    path.symlink_to(outside)


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o755)


UNSAFE: list[tuple[Callable[[Path], object], str]] = [
    (_link_out, "is no regular file"),
    (_fifo, "is no regular file"),
    (lambda path: path.chmod(0o775), "can be written to by others"),
    (lambda path: path.chmod(0o757), "can be written to by others"),
    (lambda path: path.chmod(0o644), "is not executable"),
    (lambda path: path.unlink(), "is not there"),
    (lambda path: path.parent.chmod(0o775), "can be written to by others"),
    (lambda path: path.parent.rename(path.parents[1] / "moved"), "is not there"),
]
if os.geteuid() == 0:
    UNSAFE += [
        (lambda path: os.chown(path, 12345, -1), "belongs to another user"),
        (lambda path: os.chown(path.parent, 12345, -1), "belongs to another user"),
    ]


@pytest.mark.parametrize(("spoil", "reason"), UNSAFE)
def test_what_became_unsafe_after_the_binding_was_made_does_not_run(
    world: World, tmp_path: Path, spoil: Callable[[Path], object], reason: str
) -> None:
    marker = tmp_path / "ran"
    path = world.script("good.sh", f"touch {marker}")
    world.before_call = lambda: spoil(path)
    record = world.fire("good.sh")
    assert record.outcome == "unavailable"
    assert reason in record.detail
    assert not marker.exists()
    # And it is not offered any more, when the directory itself is in order.
    if path.parent.exists() and world.plugin()[0] == "active":
        assert world.names() == set()


@pytest.mark.parametrize(
    ("serial", "shown"),
    [
        ("--user=root", "<--serial=--user=root>"),
        ("-rf /", "<--serial=-rf />"),
        ("$(id); `id` | id", "<--serial=$(id); `id` | id>"),
        ("A\nB\x1b[2J", "<--serial=A ⏎ B�[2J>"),
    ],
)
def test_a_value_stays_a_value(world: World, serial: str, shown: str) -> None:
    world.script("args.sh", 'printf "<%s>" "$@"')
    record = world.fire("args.sh", options={"serial": True}, serial=serial)
    assert record.detail.endswith(f"it wrote {shown}")


@pytest.mark.parametrize("serial", ["A\0B", "A\ud800"])
def test_a_value_that_no_argument_can_hold_is_refused(
    world: World, tmp_path: Path, serial: str
) -> None:
    marker = tmp_path / "ran"
    world.script("args.sh", f"touch {marker}")
    record = world.fire("args.sh", options={"serial": True}, serial=serial)
    assert record.outcome == "failed"
    assert "the value of --serial has a character" in record.detail
    assert not marker.exists()


def test_a_value_that_is_too_long_is_a_failure(world: World) -> None:
    world.script("args.sh", "echo no")
    record = world.fire("args.sh", options={"serial": True}, serial="A" * 300_000)
    assert (record.outcome, "could not be started" in record.detail) == ("failed", True)


def test_a_script_whose_interpreter_is_not_there(world: World) -> None:
    world.script("odd.sh", "").write_text("#!/no/such/interpreter\n")
    assert "could not be started" in world.fire("odd.sh").detail


@pytest.mark.parametrize(
    "body",
    [
        "echo begun; sleep 600",
        "trap '' TERM; echo begun; while :; do sleep 1; done",
        "echo begun; (trap '' TERM; echo $$ >/dev/null; sleep 600) & wait",
    ],
    ids=["sleeps", "ignores SIGTERM", "forks and hangs"],
)
def test_the_time_limit_ends_all_of_it(world: World, tmp_path: Path, body: str) -> None:
    pids = tmp_path / "pid"
    world.script("hang.sh", f"sleep 600 & echo $! > {pids}; {body}")
    record = world.fire("hang.sh", options={"timeout": 0.5})
    assert record.outcome == "failed"
    assert "did not end within 0.5 seconds and was killed; it wrote begun" in record.detail
    ends(pids)


def test_what_a_script_leaves_behind_is_ended_with_it(world: World, tmp_path: Path) -> None:
    pids = tmp_path / "pid"
    world.script("fork.sh", f"(trap '' TERM HUP; sleep 600) & echo $! > {pids}; echo over")
    record = world.fire("fork.sh", options={"timeout": 60})
    assert (record.outcome, record.detail[-10:]) == ("done", "wrote over")
    ends(pids)


def test_what_leaves_the_group_with_the_pipe_open_does_not_hold_up_the_call(world: World) -> None:
    world.script("leave.sh", "setsid sleep 8 & echo over")
    record = world.fire("leave.sh", options={"timeout": 60})
    assert (record.outcome, record.detail[-10:]) == ("done", "wrote over")


def test_output_without_end_is_capped(world: World) -> None:
    world.script("yes.sh", "exec yes")
    record = world.fire("yes.sh", options={"timeout": 0.5})
    assert record.outcome == "failed"
    assert record.detail.endswith("… and more, which was dropped.")
    assert len(record.detail) < 200_000


def test_all_output_up_to_the_cap_is_kept(world: World) -> None:
    world.script("long.sh", "head -c 60000 /dev/zero | tr '\\0' a")
    assert world.fire("long.sh").detail.endswith("it wrote " + "a" * 60_000)


# The directory.


def test_a_directory_that_is_not_there_leaves_the_module_listed(world: World) -> None:
    world.directory.rmdir()
    state, reason = world.plugin()
    assert state == "unavailable"
    assert "script directory" in reason
    assert "is not there. Create it, or correct WHENTHEN_SCRIPTHANDLER_DIRECTORY." in reason


def test_a_directory_that_is_a_file(world: World) -> None:
    world.directory.rmdir()
    world.directory.touch()
    assert "is no directory" in world.plugin()[1]


def test_a_directory_that_others_may_write_to(world: World) -> None:
    world.script("good.sh", "true")
    world.directory.chmod(0o777)
    assert "can be written to by others" in world.plugin()[1]


def test_a_directory_that_is_not_set(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WHENTHEN_SCRIPTHANDLER_DIRECTORY", raising=False)
    parts = assemble(database_url=world.url)
    (found,) = (plugin for plugin in parts.plugins.now() if plugin.name == "scripthandler")
    parts.database.close()
    # Not set up yet is no fault, so the plugin is in order; what to do is said all the same.
    assert found.state == "active"
    assert "Set WHENTHEN_SCRIPTHANDLER_DIRECTORY to the directory" in found.reason
