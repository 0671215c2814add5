"""Reading files that somebody named; writing files so that a cut-off run never leaves a half-written one.

A file is written beside its place, under a name that says which process writes it, and moved there when it is
whole. What a killed writer left is known by its name and removed. Links are replaced or refused, never
followed.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
import secrets
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from typing import Any

from etb_hw.errors import BadInput

LOCK_FILE = ".lock"
_PART = re.compile(r"\.(?P<host>[A-Za-z0-9_-]*)\.(?P<process>\d+)\.[0-9a-f]{8}\.part$")


def read_bytes(path: Path, limit: int, remedy: str) -> bytes:
    """The content of a regular file that somebody named.

    Pipes and devices are refused instead of read: they may never answer, or never end.

    Args:
        limit: the largest size in bytes that such a file can sensibly have.

    Raises:
        BadInput: missing, no regular file, larger than ``limit``, or not readable.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            kind = "a folder" if stat.S_ISDIR(status.st_mode) else "no regular file"
            raise BadInput(str(path), f"is {kind}", remedy)
        if status.st_size > limit:
            raise BadInput(str(path), f"has {status.st_size:,} bytes, more than {limit:,}", remedy)
        with path.open("rb") as file:
            return file.read(limit)
    except FileNotFoundError:
        raise BadInput(str(path), "does not exist", remedy) from None
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise BadInput(str(path), f"cannot be read ({reason})", remedy) from None


def write_bytes(path: Path, content: bytes) -> None:
    """Replace ``path`` atomically, making its folder where needed; its mode is what the user's umask leaves.

    A link at ``path`` is replaced, not followed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = part_of(path)
    try:
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(part, path)
    except OSError as error:
        error.filename = str(path)  # what the user knows of, not the name in between
        raise
    finally:
        part.unlink(missing_ok=True)


def write_text(path: Path, content: str) -> None:
    write_bytes(path, content.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=2) + "\n")


def append_line(path: Path, line: str) -> None:
    """Add a line to a text file that this process alone writes. Raises BadInput where it is a link."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(_opened(path, os.O_WRONLY | os.O_APPEND), "a", encoding="utf-8") as file:
        file.write(line + "\n")


def digest(path: Path) -> str:
    """SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def locked(folder: Path, *, wait: bool = False) -> Iterator[bool]:
    """Hold ``folder`` (made where missing) against other processes; yields False where one holds it already.

    Args:
        wait: until it is free, instead of yielding False.

    The lock is the operating system's: it ends with its process, however that ends, so none can be stale.

    Raises BadInput where the lock file is a link.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with os.fdopen(_opened(folder / LOCK_FILE, os.O_RDWR), "r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError:
            yield False
        else:
            yield True


def part_of(path: Path) -> Path:
    """A new name beside ``path`` for what this process is writing; see ``remove_leftovers``."""
    name = path.name[:100].lstrip(".")
    return path.with_name(f".{name}.{_host()}.{os.getpid()}.{secrets.token_hex(4)}.part")


def remove_leftovers(folder: Path, *, below: bool = True) -> None:
    """Remove what processes that were killed on this machine had begun to write in ``folder``.

    Args:
        below: also in the folders below it.
    """
    for path in list(folder.rglob(".*.part") if below else folder.glob(".*.part")):
        found = _PART.search(path.name)
        if found is not None and found["host"] == _host() and not _alive(int(found["process"])):
            if path.is_dir() and not path.is_symlink():
                rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _opened(path: Path, flags: int) -> int:
    try:
        return os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if error.errno == errno.ELOOP:
            reason = "is a link, and links are not followed when files are written"
            raise BadInput(str(path), reason, "remove the link, or give another folder") from None
        raise


def _host() -> str:
    """Where this process's number means something: the machine, and the container on it."""
    try:
        space = os.readlink("/proc/self/ns/pid")  # "pid:[4026531836]"
    except OSError:  # no Linux
        space = ""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", f"{socket.gethostname()[:40]}-{space}").strip("-")


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
