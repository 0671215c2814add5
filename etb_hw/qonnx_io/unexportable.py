"""What torch says of a network that has no ONNX form, in the user's words: which module, which op."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from etb_hw.errors import BadInput, one_line

if TYPE_CHECKING:
    import torch

_OP = re.compile(r"operator '?(?:aten::)?(\w+)")
_NOISE = re.compile(r"Please feel free|\[Caused by|\n")  # torch goes on for many lines
INSTEAD: Mapping[str, str] = {
    "attention": "use Conv or Linear with constant weights",
}


@contextmanager
def failing_graphs() -> Iterator[list[Any]]:
    """The graphs that torch would print where an export fails: hundreds of lines, always."""
    import torch

    kept: list[Any] = []
    printing = torch._C._jit_onnx_log
    torch._C._jit_onnx_log = lambda *said: kept.extend(said)
    try:
        yield kept
    finally:
        torch._C._jit_onnx_log = printing


def unexportable(
    module: torch.nn.Module, error: Exception, graphs: Sequence[Any], uneven: Sequence[str]
) -> BadInput:
    """The error of an export that failed, with the module whose op it was, as far as a graph tells.

    ``uneven`` is what the adaptive pools do that do not divide their input.
    """
    said = str(error)
    reason = one_line(_NOISE.split(said)[0] or said, 300).rstrip(". ")
    op = failing_op(error)
    path = next(filter(None, (_path(node) for graph in graphs for node in _nodes(graph, op))), None)
    where = type(module).__name__
    if path is not None:
        where = f"module {path!r} ({type(module.get_submodule(path)).__name__})"
    remedy = next(
        (text for part, text in INSTEAD.items() if part in op), "use stock torch and Brevitas layers"
    )
    if uneven and "adaptive" in op:
        reason = uneven[0]
        remedy = "give it a size that divides the input's, or use a plain pool with a kernel that does"
    return BadInput(where, f"cannot be exported ({reason})", remedy)


def failing_op(error: Exception) -> str:
    """The op that torch has no ONNX form for; empty where the error names none."""
    match = _OP.search(str(error))
    return match[1] if match else ""


def _nodes(graph: Any, op: str) -> Iterator[Any]:
    if op and hasattr(graph, "nodes"):
        yield from (node for node in graph.nodes() if node.kind() == f"aten::{op}")


def _path(node: Any) -> str:
    """The path in a scope, ``net.Net::/torch.nn.Sequential::body/torch.nn.ReLU::body.2``."""
    return str(node.scopeName().rpartition("/")[2].rpartition("::")[2])
