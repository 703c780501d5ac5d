"""The script directory: which of its files may run.

Whoever can write a script, or the directory that it is in, decides what this process runs. So both
must belong to root or to the user of this process, and nobody else may write to them.
"""

from __future__ import annotations

import logging
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from whenthen import SettingsError, Unavailable

__all__ = ["open_directory", "script_in", "scripts_in"]

log = logging.getLogger("whenthen.scripthandler")
_VARIABLE = "WHENTHEN_SCRIPTHANDLER_DIRECTORY"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


def open_directory(configured: str) -> Path:
    """Return the resolved script directory.

    Raises:
        SettingsError: it is not set.
        Unavailable: it is not there, not to be read, or not safe; and what to do.
    """
    if not configured:
        raise SettingsError(
            "The handler module 'scripthandler' has no script directory. Set "
            f"{_VARIABLE} to the directory that holds the scripts."
        )
    whose = f"The script directory {configured!r} of the handler module 'scripthandler'"
    try:
        directory = Path(configured).resolve(strict=True)
        status = directory.stat()
    except (OSError, RuntimeError, ValueError):  # RuntimeError: a loop of symbolic links
        raise Unavailable(f"{whose} is not there. Create it, or correct {_VARIABLE}.") from None
    if not stat.S_ISDIR(status.st_mode):
        raise Unavailable(f"{whose} is no directory. Correct {_VARIABLE}.")
    if reason := _others_may_write(status):
        raise Unavailable(f"{whose} {reason}")
    if not os.access(directory, os.R_OK | os.X_OK):
        raise Unavailable(f"{whose} cannot be read. Let the user of this process read it.")
    return directory


def scripts_in(directory: Path) -> Iterator[str]:
    """Yield the names of the scripts that may run, in order; the log says which may not, and why.

    Raises:
        Unavailable: the directory cannot be read.
    """
    try:
        names = sorted(entry.name for entry in directory.iterdir())
    except OSError:
        raise Unavailable(
            f"The script directory {str(directory)!r} of the handler module 'scripthandler' cannot "
            "be read. Let the user of this process read it."
        ) from None
    for name in names:
        if not _NAME.fullmatch(name):
            continue
        try:
            script_in(directory, name)
        except Unavailable as error:
            log.info("%s", error.sentence)
        else:
            yield name


def script_in(directory: Path, name: str) -> Path:
    """Return the path of a script that may run.

    Raises:
        Unavailable: there is none of that name, or it may not run; and what to do.
    """
    whose = f"The script {name!r} in {str(directory)!r}"
    path = directory / name
    try:
        # Of the file itself, not of what a symbolic link points to.
        status = path.lstat() if _NAME.fullmatch(name) else None
    except OSError:
        status = None
    if status is None:
        raise Unavailable(f"{whose} is not there. Put it back, or bind another action.")
    if not stat.S_ISREG(status.st_mode):
        raise Unavailable(f"{whose} is no regular file. Replace it by the script itself.")
    if reason := _others_may_write(status):
        raise Unavailable(f"{whose} {reason}")
    if not os.access(path, os.X_OK):
        raise Unavailable(f"{whose} is not executable. Make it so: chmod u+x.")
    return path


def _others_may_write(status: os.stat_result) -> str:
    """Return why others could change what runs, and what to do; nothing if they cannot."""
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return "can be written to by others. Take that right from them: chmod go-w."
    if status.st_uid not in (0, os.geteuid()):
        return "belongs to another user. Give it to root, or to the user of this process: chown."
    return ""
