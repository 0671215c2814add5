"""A folder of results by content: what was built once from the same text is not built again."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from shutil import rmtree

from etb_hw.files import digest, part_of, remove_leftovers, write_json

DEFAULT = Path.home() / ".cache" / "etb_hw"
DIGESTS = ".digests.json"


def key_of(parts: Iterable[str | bytes]) -> str:
    """Hash of a sequence of texts."""
    found = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        found.update(len(data).to_bytes(8, "little"))
        found.update(data)
    return found.hexdigest()[:32]


def cached_folder(root: Path, kind: str, key: str, build: Callable[[Path], None]) -> Path:
    """The folder ``root/kind/key``, filled by ``build`` if it is not there or not as it was built.

    It is built beside its place and moved there when complete, so that an interrupted build leaves nothing
    behind that looks finished, and two processes may build at once. Every file's digest is kept with it: an
    entry that was damaged since is built again.
    """
    folder = root.absolute() / kind / key  # tools run in folders of their own
    if is_whole(folder):
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder.parent, below=False)
    scratch = part_of(folder)
    scratch.mkdir()
    try:
        build(scratch)
        write_json(scratch / DIGESTS, {name: digest(scratch / name) for name in _files(scratch)})
        _put(scratch, folder)
    finally:
        rmtree(scratch, ignore_errors=True)
    return folder


def _put(scratch: Path, folder: Path) -> None:
    """Move a finished entry to its place: a damaged one makes way, another process's whole one stays."""
    for _ in range(10):
        try:
            os.rename(scratch, folder)
            return
        except OSError:
            if is_whole(folder):
                return
            if folder.is_dir() and not folder.is_symlink():
                aside = part_of(folder)
                os.rename(folder, aside)
                rmtree(aside, ignore_errors=True)
            elif folder.is_symlink() or folder.exists():
                folder.unlink(missing_ok=True)
            else:
                raise
    raise OSError(f"{folder} cannot be replaced")


def is_whole(folder: Path) -> bool:
    """Whether all files of an entry are there and as they were built."""
    try:
        expected = json.loads((folder / DIGESTS).read_text(encoding="utf-8"))
        return bool(expected) and all(digest(folder / name) == found for name, found in expected.items())
    except (OSError, ValueError, AttributeError, TypeError):
        return False


def _files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
