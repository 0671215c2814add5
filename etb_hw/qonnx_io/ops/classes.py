"""TopK and ArgMax at the end of a classifier."""

from __future__ import annotations

from etb_hw.qonnx_io.call import Call
from etb_hw.qonnx_io.value import ArgMaxOf, Tensor


def top_k(call: Call) -> tuple[Tensor | None, ...]:
    """Values and indices; only the index of the largest has an integer form."""
    k = call.attr("k")
    k = int(call.scalar(1)) if k is None else int(k)
    if k != 1 or not call.attr("largest", 1):
        call.fail(f"asks for the {k} largest or smallest", "use k=1, the largest")
    return None, _largest(call, -1)


def arg_max(call: Call) -> Tensor:
    if call.attr("select_last_index", 0):
        call.fail("takes the last of equal classes", "take the first, as hardware does")
    return _largest(call, 0)


def _largest(call: Call, default: int) -> Tensor:
    value = call.value(0)
    rank = len(value.axes) + 1
    axis = int(call.attr("axis", default)) % rank
    if axis == 0 or value.axes[axis - 1] != 0 or value.order is not None:
        call.fail("does not compare classes", "use the class axis")
    return ArgMaxOf(value)
