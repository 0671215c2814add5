"""Which line of the user's own code an error or a node of the graph is from."""

from __future__ import annotations

import linecache
import sysconfig
import traceback
from pathlib import Path
from types import CodeType, FrameType

import brevitas
import torch
from torch import nn

_STANDARD = sysconfig.get_path("stdlib")
_LIBRARIES = tuple(f"{Path(str(module.__file__)).parent}/" for module in (torch, brevitas))
_OURS = f"{Path(__file__).parents[1]}/"


def line_of_call(frame: FrameType | None, outermost: CodeType) -> str:
    """The innermost line of a user's file among the callers of a frame, up to a function; empty without."""
    while frame is not None and frame.f_code is not outermost:
        if _is_users(frame.f_code.co_filename):
            return _words(frame.f_code.co_filename, frame.f_lineno)
        frame = frame.f_back
    return ""


def line_of_error(error: BaseException, model: nn.Module) -> str:
    """The innermost line of a user's file that an error went through, as ``net.py line 12: `code```.

    Only lines in forward methods of the model's modules and what they call; empty without one.
    """
    found, inside = "", False
    own = {id(module) for module in model.modules()}
    for frame, line in traceback.walk_tb(error.__traceback__):
        first = frame.f_code.co_varnames[:1]  # mostly self
        inside = inside or any(id(frame.f_locals.get(name)) in own for name in first)
        if inside and _is_users(frame.f_code.co_filename):
            found = _words(frame.f_code.co_filename, line)
            code = linecache.getline(frame.f_code.co_filename, line, frame.f_globals).strip()
            if code:
                found += f": `{code[:80]}`"
    return found


def _words(file: str, line: int) -> str:
    return f"{Path(file).name} line {line}"


def _is_users(file: str) -> bool:
    if file.startswith((*_LIBRARIES, _OURS, "<")):
        return False
    return "site-packages" in file or not file.startswith(_STANDARD)
