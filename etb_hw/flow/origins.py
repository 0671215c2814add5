"""What a step was made from beside the values of the flow file: data, code and files, which may change."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

from etb_hw.config import DataConfig
from etb_hw.data import load
from etb_hw.files import digest
from etb_hw.named_code import source_digest

MOST_BYTES = 4 << 30  # of data that is read to tell whether it changed; above that, sizes and times do
_Stamp: TypeAlias = tuple[str, int, int]  # of a file: its path, bytes, and time of its last change


def data_origin(config: DataConfig) -> Any:
    """The settings of a data set, what its files hold, and the code that gives it.

    Raises BadInput where there are no such files: before anything of before is forgotten.
    """
    held = "" if config.path is None else _held(config, Path(config.path).expanduser())
    code = "" if config.function is None else source_digest(config.function)
    return [config.model_dump(), held, code]


def file_origin(path: str | None) -> str:
    """SHA-256 of a file that a flow names; empty where there is none, which its step will tell."""
    return digest(Path(path)) if path is not None and Path(path).is_file() else ""


def _held(config: DataConfig, path: Path) -> str:
    if not path.exists():
        load(config)  # which says where to get the data
    stamps = tuple(_stamps(path))
    if sum(size for _, size, _ in stamps) > MOST_BYTES:
        return repr(stamps)
    return _content(str(path), stamps)


@lru_cache(maxsize=8)
def _content(path: str, stamps: tuple[_Stamp, ...]) -> str:
    """SHA-256 of the names and contents of files; each step of a run asks for the same."""
    found = hashlib.sha256()
    for name, size, _ in stamps:
        found.update(f"{name!r} {size} {digest(Path(path) / name)}\n".encode())
    return found.hexdigest()


def _stamps(path: Path) -> Iterator[_Stamp]:
    """Files in order, by their path below ``path``; links are followed for files, not for folders."""
    if path.is_file():
        stat = path.stat()
        yield "", stat.st_size, stat.st_mtime_ns
        return
    for folder, below, names in os.walk(path):
        below.sort()
        for name in sorted(names):
            at = Path(folder) / name
            if at.is_file():
                stat = at.stat()
                yield str(at.relative_to(path)), stat.st_size, stat.st_mtime_ns
