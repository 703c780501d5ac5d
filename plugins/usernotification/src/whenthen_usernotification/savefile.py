"""The action savefile: a file in the spool directory, and nowhere else."""

from __future__ import annotations

import os
import re
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from whenthen import Outcome, Run, Unavailable
from whenthen_usernotification.options import SaveFile, Settings

__all__ = ["save_file"]

_LONGEST_BYTES = 255
_NO_FOLLOW = os.O_NOFOLLOW | os.O_CLOEXEC
_SETTING = "WHENTHEN_USERNOTIFICATION_SPOOL_DIRECTORY"


def save_file(run: Run[SaveFile]) -> Outcome:
    """Write the file: as a whole or not at all."""
    options = run.configured
    random = run.delivery.id if run.delivery else uuid.uuid4().hex
    name = run.render(options.filename, {"random": random}, _harmless)
    if _refused(name):
        return Outcome.failed(
            "The file was not written: with its tags filled in, the name is empty, longer than "
            f"{_LONGEST_BYTES} bytes, or starts with . or -. Change filename, with {{random}} for "
            "instance.",
            permanent=True,
        )
    content = run.render(options.body).encode(errors="replace")
    # A second attempt may come after a first that did write the file, and ended before it said so.
    again = run.delivery is not None and run.delivery.attempt > 1
    try:
        with _spool(run.settings(Settings).spool_directory) as folder:
            return _write(folder, name, content, overwrite=options.overwrite, again=again)
    except OSError as error:
        return Outcome.failed(
            f"The file {name!r} was not written ({type(error).__name__}, "
            f"{os.strerror(error.errno or 0)}). Look at the spool directory: its disk, its "
            "permissions."
        )


def _harmless(value: str) -> str:
    """Return a tag's value as part of a file's name: letters, digits and _ . @ + = - only."""
    value = re.sub(r"[^\w.@+=-]", "_", value)
    return re.sub(r"^[.-]+", lambda match: "_" * len(match[0]), value)


def _refused(name: str) -> bool:
    return (
        not name
        or "/" in name
        or not name.isprintable()
        or name.startswith((".", "-"))
        or len(name.encode()) > _LONGEST_BYTES
    )


@contextmanager
def _spool(path: str | None) -> Iterator[int]:
    """Open the spool directory; everything happens in it, wherever its path leads by then."""
    if not path:
        raise Unavailable(f"There is no spool directory. Set {_SETTING} to its path.")
    try:
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise Unavailable(
            f"The spool directory cannot be opened ({type(error).__name__}). Make it, or set "
            f"{_SETTING} to another."
        ) from error
    try:
        if os.fstat(folder).st_mode & stat.S_IWOTH:
            raise Unavailable(
                "Everybody may write to the spool directory. Take that right away (chmod o-w)."
            )
        yield folder
    finally:
        os.close(folder)


def _write(folder: int, name: str, content: bytes, *, overwrite: bool, again: bool) -> Outcome:
    passing = f".whenthen-{uuid.uuid4().hex}"
    try:
        _create(folder, passing, content)
        if overwrite:
            os.rename(passing, name, src_dir_fd=folder, dst_dir_fd=folder)
        else:
            # A link, unlike a rename, fails if there is anything of that name, a symlink included.
            os.link(passing, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
        os.fsync(folder)
    except (FileExistsError, IsADirectoryError):
        if again and _holds(folder, name, content):
            return Outcome.done(f"An earlier attempt wrote the file {name!r}.")
        return Outcome.failed(
            f"The file {name!r} was not written: there is one of that name, or a folder. Use "
            "{random} in filename, or overwrite for a file.",
            permanent=True,
        )
    finally:
        with suppress(FileNotFoundError):
            os.unlink(passing, dir_fd=folder)
    return Outcome.done(f"The file {name!r} was written, {len(content)} bytes.")


def _create(folder: int, name: str, content: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW
    with os.fdopen(os.open(name, flags, 0o600, dir_fd=folder), "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _holds(folder: int, name: str, content: bytes) -> bool:
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK | _NO_FOLLOW, dir_fd=folder)
    except OSError:
        return False
    with os.fdopen(descriptor, "rb") as file:
        regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
        return regular and file.read(len(content) + 1) == content
