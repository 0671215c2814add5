"""Reading files that somebody named; writing files so that a cut-off run never leaves a half-written one."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import tempfile
from pathlib import Path
from typing import Any

from etb_hw.errors import BadInput


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
            return file.read(limit + 1)[:limit]
    except FileNotFoundError:
        raise BadInput(str(path), "does not exist", remedy) from None
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise BadInput(str(path), f"cannot be read ({reason})", remedy) from None


def write_bytes(path: Path, content: bytes) -> None:
    """Replace ``path`` atomically, making its folder where needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).chmod(0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_text(path: Path, content: str) -> None:
    write_bytes(path, content.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=2) + "\n")


def digest(path: Path) -> str:
    """SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
