"""Training steps compiled by torch, with the tools that this machine has."""

from __future__ import annotations

import os
import shutil
import sys

import torch
from torch import nn

from etb_hw.errors import BadInput

_HEADERS = "cpp_cache_precompile_headers"  # spares seconds a compilation, and calls openssl


def check_compiler(device: torch.device) -> None:
    """Raise BadInput where torch would find no C++ compiler for a CPU, before anything is trained."""
    name = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")  # as torch looks for it
    if device.type == "cpu" and shutil.which(name) is None:
        raise BadInput(
            "training.compile",
            f"torch compiles with {name}, which is not installed",
            "install it (for example: apt install g++), or do without compile",
        )


def compiled(module: nn.Module) -> nn.Module:
    """The module, compiled by torch at its first call."""
    if shutil.which("openssl") is None and _HEADERS in torch._inductor.list_options():
        return torch.compile(module, options={_HEADERS: False})  # type: ignore[return-value]
    return torch.compile(module)  # type: ignore[return-value]
