from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from whenthen import Refused

FILE = {"filename": "{fact:request.parameters.name}", "body": "{serial} of {user}"}


@pytest.fixture
def spool(tmp_path: Path, world: Any) -> Path:
    folder = tmp_path / "outer" / "spool"
    folder.mkdir(parents=True, mode=0o755)
    folder.chmod(0o755)
    world.settings["spool_directory"] = str(folder)
    return folder


def everything(spool: Path) -> list[str]:
    return sorted(str(path.relative_to(spool.parent)) for path in spool.parent.rglob("*"))


def test_file_is_written_for_its_owner_only(world: Any, spool: Path) -> None:
    parts = world.happen("savefile", {"filename": "{serial}-{random}.txt", "body": FILE["body"]})
    delivery = parts.deliveries.find()[0]
    assert delivery.state.value == "done"
    (path,) = spool.iterdir()
    assert path.name == f"T1-{delivery.id}.txt"
    assert path.read_text() == "T1 of cornelius"
    assert path.stat().st_mode & 0o7777 == 0o600


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("../evil", "___evil"),
        ("/etc/evil", "_etc_evil"),
        ("..", "__"),
        (".hidden", "_hidden"),
        ("-rf", "_rf"),
        ("a/../../b", "a_.._.._b"),
        ("a\0b\nc", "a_b_c"),
        ("a\u202eb", "a_b"),
        ("{serial}", "_serial_"),
    ],
)
def test_tags_stay_in_the_spool_directory(world: Any, spool: Path, name: str, written: str) -> None:
    parts = world.happen("savefile", FILE, name=name)
    assert world.last(parts)[0] == "done"
    assert everything(spool) == ["spool", f"spool/{written}"]


@pytest.mark.parametrize("name", ["", "x" * 256, "ä" * 128])
def test_impossible_names_are_refused(world: Any, spool: Path, name: str) -> None:
    parts = world.happen("savefile", FILE, name=name)
    assert world.last(parts)[::2] == ("dead", "failed")
    assert everything(spool) == ["spool"]


@pytest.mark.parametrize("filename", ["../x", "/x", ".x", "-x", "a\0", "{unheard_of}"])
def test_wrong_filenames_are_refused(world: Any, filename: str) -> None:
    with pytest.raises(Refused):
        world.happen("savefile", {"filename": filename, "body": "x"})


def test_existing_file_stays_unless_overwritten(world: Any, spool: Path) -> None:
    (spool / "there").write_text("before")
    (spool / "there").chmod(0o644)
    parts = world.happen("savefile", FILE, name="there")
    state, detail, _ = world.last(parts)
    assert state == "dead"
    assert "there is one of that name" in detail
    assert (spool / "there").read_text() == "before"
    world.happen("savefile", FILE | {"overwrite": True}, name="there")
    assert (spool / "there").read_text() == "T1 of cornelius"
    assert (spool / "there").stat().st_mode & 0o7777 == 0o600
    assert everything(spool) == ["spool", "spool/there"]


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("target_exists", [False, True])
def test_symlink_is_not_followed(
    world: Any, spool: Path, overwrite: bool, target_exists: bool
) -> None:
    target = spool.parent / "target"
    if target_exists:
        target.write_text("before")
    (spool / "link").symlink_to(target)
    parts = world.happen("savefile", FILE | {"overwrite": overwrite}, name="link")
    assert world.last(parts)[0] == ("done" if overwrite else "dead")
    assert target.exists() is target_exists
    assert not target_exists or target.read_text() == "before"
    assert (spool / "link").is_symlink() is not overwrite


def test_folder_is_not_overwritten(world: Any, spool: Path) -> None:
    (spool / "folder").mkdir()
    parts = world.happen("savefile", FILE | {"overwrite": True}, name="folder")
    assert world.last(parts)[0] == "dead"
    assert everything(spool) == ["spool", "spool/folder"]


def test_attempt_after_one_that_wrote_the_file(world: Any, spool: Path) -> None:
    spool.rmdir()
    parts = world.happen("savefile", FILE, name="mine")
    state, detail, outcome = world.last(parts)
    assert (state, outcome) == ("waiting", "unavailable")
    assert "cannot be opened (FileNotFoundError)" in detail
    spool.mkdir(mode=0o755)
    (spool / "mine").write_text("T1 of cornelius")
    parts.worker.deliver()
    assert world.last(parts)[:2] == ("done", "An earlier attempt wrote the file 'mine'.")


def test_without_a_spool_directory(world: Any) -> None:
    parts = world.happen("savefile", FILE, name="x")
    _, detail, outcome = world.last(parts)
    assert outcome == "unavailable"
    assert "Set WHENTHEN_USERNOTIFICATION_SPOOL_DIRECTORY" in detail


def test_spool_directory_that_everybody_may_write_to(world: Any, spool: Path) -> None:
    spool.chmod(0o777)
    parts = world.happen("savefile", FILE, name="x")
    assert "Everybody may write" in world.last(parts)[1]
    assert everything(spool) == ["spool"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_read_only_spool_directory_is_tried_again(world: Any, spool: Path) -> None:
    spool.chmod(0o500)
    parts = world.happen("savefile", FILE, name="x")
    spool.chmod(0o755)
    assert world.last(parts)[0] == "waiting"
    assert "PermissionError" in world.last(parts)[1]
