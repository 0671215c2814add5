"""What the readers of data files share."""

from __future__ import annotations

import stat
from pathlib import Path

from etb_hw.config import DataConfig
from etb_hw.errors import BadInput


def required_path(config: DataConfig, where_to_get: str) -> Path:
    """The existing path of ``data.path``. Raises BadInput that says where to get the data."""
    if config.path is None:
        raise BadInput("data.path", f"is needed for {config.name} data", f"set it in [data]; {where_to_get}")
    try:
        path = Path(config.path).expanduser()
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise BadInput(f"data.path {config.path}", "does not exist", where_to_get) from None
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: a home folder of nobody
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise BadInput(f"data.path {config.path[:200]}", f"cannot be used ({reason})", where_to_get) from None
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # a pipe may never answer, a device never end
        raise BadInput(f"data.path {config.path}", "is no regular file and no folder", where_to_get)
    return path


def read_exactly(path: Path, size: int, what: str, where_to_get: str) -> bytes:
    """All bytes of a file that must have ``size`` of them. Raises BadInput for any other size."""
    try:
        found = path.stat().st_size
        content = path.read_bytes() if found == size else b""
    except OSError as error:
        raise BadInput(str(path), f"cannot be read ({error.strerror})", where_to_get) from None
    if found != size:
        raise BadInput(
            str(path), f"has {found:,} bytes, {what} have {size:,}: truncated or no such file", where_to_get
        )
    return content
