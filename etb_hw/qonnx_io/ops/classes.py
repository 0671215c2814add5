"""TopK and ArgMax at the end of a classifier."""

from __future__ import annotations

from etb_hw.qonnx_io.call import Call
from etb_hw.qonnx_io.value import Best, Tensor


def top_k(call: Call) -> tuple[Tensor | None, ...]:
    """Values and indices; only the indices of the largest have an integer form."""
    k = call.attr("k")
    k = int(call.scalar(1)) if k is None else int(k)
    if not call.attr("largest", 1):
        call.fail(f"asks for the {k} smallest", "negate the scores and ask for the largest")
    if k > 1 and not call.attr("sorted", 1):
        call.fail(f"leaves the order of the {k} largest open", "use sorted=1")
    return None, _largest(call, -1, k)


def arg_max(call: Call) -> Tensor:
    if call.attr("select_last_index", 0):
        call.fail("takes the last of equal classes", "take the first, as hardware does")
    return _largest(call, 0, 1)


def _largest(call: Call, default: int, count: int) -> Tensor:
    value = call.value(0)
    rank = len(value.axes) + 1
    axis = int(call.attr("axis", default)) % rank
    if axis == 0 or value.axes[axis - 1] != 0 or value.order is not None:
        call.fail("does not compare classes", "use the class axis")
    classes = call.builder.types[value.core].channels
    if not 1 <= count <= classes:
        call.fail(f"asks for {count} of {classes} classes", "ask for one class or more, and at most for all")
    return Best(value, count)
