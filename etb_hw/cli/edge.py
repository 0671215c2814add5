"""The command line's edge: what goes wrong within reaches the user as one message, never as a traceback."""

from __future__ import annotations

import errno
import os
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType

from etb_hw.errors import BadInput, EtbError
from etb_hw.extras import missing_extra

STOPPED = "stopped. Nothing is lost: the same command goes on from here"
INTERRUPTED = 130
_BUG = 1
_REMEDIES: Mapping[int, str] = {
    errno.ENOSPC: "free some space, or give another folder; the same command goes on from there",
    errno.EDQUOT: "free some of your quota, or give another folder; the same command goes on from there",
    errno.EACCES: "give a path that you may read and write",
    errno.EPERM: "give a path that you may read and write",
    errno.EROFS: "give a folder that can be written",
    errno.EISDIR: "give the path of a file; this is a folder",
    errno.ENOTDIR: "a file stands where a folder is needed: give another path",
    errno.EEXIST: "something is in the way: give another path",
    errno.ENAMETOOLONG: "give a shorter path",
    errno.ELOOP: "give a path without circular links",
}


def explain(error: BaseException) -> tuple[str, int]:
    """What to tell the user about an error that ended a command, and the exit code.

    Errors of the machine (disk, rights, memory) are explained. Anything unforeseen is a bug of ours: its
    traceback goes to a file that the message names.
    """
    if isinstance(error, EtbError):
        return str(error), error.exit_code
    extra = missing_extra(error)
    if extra is not None:
        return str(extra), extra.exit_code
    if isinstance(error, KeyboardInterrupt):
        return STOPPED, INTERRUPTED
    if isinstance(error, OSError) and error.errno is not None:
        where = error.filename if error.filename is not None else "the machine"
        remedy = _REMEDIES.get(error.errno, "see that the path exists and can be used, then try again")
        return str(BadInput(_text(where), (error.strerror or str(error)).lower(), remedy)), BadInput.exit_code
    if isinstance(error, ValueError) and "null byte" in str(error):
        problem = BadInput("a path", "holds a null byte, which no path can", "give another path")
        return str(problem), problem.exit_code
    if isinstance(error, MemoryError):
        problem = BadInput("memory", "is not enough for this input", "give a smaller input or batch")
        return str(problem), problem.exit_code
    if isinstance(error, RecursionError):
        problem = BadInput("the input", "is nested too deeply", "give a flatter file")
        return str(problem), problem.exit_code
    return f"{type(error).__name__}: {error}\n  this is a bug of the tool; {_log(error)}", _BUG


@contextmanager
def interruptible() -> Iterator[None]:
    """Make Ctrl-C, and SIGTERM as clusters and containers send it, end the command in every moment.

    Some libraries swallow a KeyboardInterrupt that comes while they load (a bare ``except`` around an
    optional import), so an interrupt within an import ends the process at once: files are replaced
    atomically, so nothing is lost. So does a second one, however long the first takes to be obeyed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pressed = False

    def stop(_: int, frame: FrameType | None) -> None:
        nonlocal pressed
        if pressed or _importing(frame):
            os.write(2, f"\nerror: {STOPPED}\n".encode())
            os._exit(INTERRUPTED)
        pressed = True
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def several_processes() -> bool:
    """Whether torchrun started this process as one of several; asked before torch is there."""
    return "TORCHELASTIC_RUN_ID" in os.environ and os.environ.get("WORLD_SIZE", "1") != "1"


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False


def _text(path: str | bytes | int) -> str:
    return os.fsdecode(path) if isinstance(path, str | bytes) else str(path)


def _log(error: BaseException) -> str:
    lines = [f"etb-hw {' '.join(sys.argv[1:])}\n", *traceback.format_exception(error)]
    try:
        handle, name = tempfile.mkstemp(prefix="etb-hw-", suffix=".log")
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(lines)
    except OSError:
        sys.stderr.writelines(lines)
        return "report it with the lines above"
    return f"report it with {name}"
