"""`whenthen demo`, from its first line to its last."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path


def _demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "whenthen", "demo", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=150)


def test_the_demo_tells_its_story_and_leaves_what_it_made(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    done = _demo("--keep", str(folder))
    assert done.returncode == 0, done.stderr
    said = done.stdout
    # An administrator enrols a token, and its owner gets a mail.
    assert re.search(r"fired +welcome-the-owner: usernotification.sendmail", said)
    assert "| To: alice@example.org" in said
    # The user logs in; what does not fire says why.
    assert "not fired  tell-the-owner: not met, result_value: false (it is true)" in said
    # The token locks: a mail to its owner, and the output of a script.
    assert re.search(r"Subject: Your token OATH\w+ is locked", said)
    assert re.search(r"\| .*ALARM --serial=OATH\w+ --user=alice", said)
    # A registration token is used up; it is deleted, and a totp token is there in its place.
    assert "| To: bob@example.org" in said
    assert re.search(r"delete-after-registration: .*REG\w+", said)
    assert re.search(r"bob now has TOTP\w+, of type totp", said)
    assert said.count("bob now has") == 1
    assert re.search(r"and REG\w+ is gone", said)
    names = {path.name for path in folder.iterdir()}
    assert names >= {"demo.db", "bindings.yaml", "mail-1.eml", "mail-2.eml", "mail-3.eml"}

    # What it left can be looked at, and nothing of it was left to be done.
    environ = {**os.environ, "WHENTHEN_DATABASE_URL": f"sqlite:///{folder / 'demo.db'}"}
    listed = subprocess.run(
        [sys.executable, "-m", "whenthen", "deliveries", "--json", "--state", "waiting"],
        env=environ,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert listed.stdout == "[]\n"
    again = _demo("--keep", str(folder))
    assert again.returncode == 1
    assert "is not empty" in again.stderr
