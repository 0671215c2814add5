"""A folder of results by content: what was built once from the same text is not built again."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from shutil import rmtree

DEFAULT = Path.home() / ".cache" / "etb_hw"


def key_of(parts: Iterable[str | bytes]) -> str:
    """Hash of a sequence of texts."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()[:32]


def cached_folder(root: Path, kind: str, key: str, build: Callable[[Path], None]) -> Path:
    """The folder ``root/kind/key``, filled by ``build`` if it is not there.

    It is built beside its place and moved there when complete, so that an interrupted build leaves nothing
    behind that looks finished, and two processes may build at once.
    """
    folder = root / kind / key
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{key[:8]}.", dir=folder.parent))
    try:
        build(scratch)
        try:
            os.rename(scratch, folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        rmtree(scratch, ignore_errors=True)
    return folder
