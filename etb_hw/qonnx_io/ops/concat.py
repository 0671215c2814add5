"""Concat of tensors along their channels, each with its own chain; of constants it is shape arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from etb_hw.integer import Chain, Concat
from etb_hw.integer.chain import Link, Op
from etb_hw.qonnx_io.call import Call
from etb_hw.qonnx_io.ops.constants import shape_arithmetic
from etb_hw.qonnx_io.value import Const, Tensor, Value

_LARGEST = float(np.finfo(np.float32).max)
# the constant with which a step changes no float32
_NEUTRAL: dict[Op, float] = {
    "mul": 1.0, "div": 1.0, "leaky": 1.0, "add": 0.0, "sub": 0.0, "max": -_LARGEST, "min": _LARGEST,
}  # fmt: skip


def concat(call: Call) -> Tensor:
    """Channels one behind another; what scales them stays with each."""
    if all(isinstance(t, Const) for t in call.inputs if t is not None):
        return shape_arithmetic(call)
    if any(isinstance(t, Const) for t in call.inputs):
        call.fail(
            "joins channels of the network with constant ones",
            "widen a shortcut by a 1x1 convolution instead of zeros (in ResNets: option B)",
        )
    values = [call.value(i) for i in range(len(call.inputs))]
    first = values[0]  # there is one: an op without inputs joins constants
    rank = len(first.axes) + 1
    axis = int(call.attr("axis", 1)) % rank
    if any(value.axes != first.axes for value in values):
        call.fail("joins tensors of different layouts", "concatenate before Flatten and Transpose")
    if any(any(value.pads) for value in values):
        call.fail("joins padded tensors", "pad behind the Concat")
    if axis == 0 or first.axes[axis - 1] != 0:
        call.fail(f"joins along axis {axis}", "concatenate along the channels (axis 1 of N, C, H, W)")
    if len(values) == 1:
        return first
    if any(value.chain.start is not None for value in values):
        call.fail("joins a sum of different scales", "put a quantizer (Quant) behind the sum")
    sizes = [call.builder.types[value.core].channels for value in values]
    core = call.builder.add(Concat, "concat", tuple(value.core for value in values))
    chain = side_by_side(call, [value.chain for value in values], sizes)
    whole = all(value.whole for value in values)
    return replace(first, core=core, chain=chain, order=_order(values, sizes), shared=False, whole=whole)


def side_by_side(call: Call, chains: Sequence[Chain], sizes: Sequence[int]) -> Chain:
    """One chain over all channels that does to each tensor's what its own chain does, bit for bit.

    Equal ops share a step; where only some tensors have the next op, the others get a constant that changes
    nothing.
    """
    rest = [[step for old in chain.links for step in _plain(old)] for chain in chains]
    made: list[Link] = []
    while any(rest):
        # the op that most tensors need next, so that chains of one kind stay as short as they are
        waiting = [steps[0].op for steps in rest if steps]
        op = max(waiting, key=waiting.count)
        taking = [bool(steps) and steps[0].op == op for steps in rest]
        if op not in _NEUTRAL and not all(taking):
            call.fail(
                f"joins a tensor behind {op} with one that is not", "put a quantizer (Quant) behind both"
            )
        parts = [
            _constant(steps.pop(0).constant if takes else np.float32(_NEUTRAL[op]), size)
            for steps, takes, size in zip(rest, taking, sizes, strict=True)
        ]
        made.append(Link(op, _squeezed(np.concatenate(parts))))
    return Chain(tuple(made))


def _plain(step: Link) -> tuple[Link, ...]:
    """``c - x`` as ``-x + c``, which is the same float32; other steps as they are."""
    if step.op == "rsub":
        return Link("mul", np.asarray(-1.0, dtype=np.float32)), Link("add", step.constant)
    return (step,)


def _constant(value: NDArray[np.float32] | np.float32, size: int) -> NDArray[np.float32]:
    return np.broadcast_to(np.asarray(value, dtype=np.float32), (size,))


def _squeezed(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return values if (values != values[0]).any() else np.asarray(values[0])


def _order(values: Sequence[Value], sizes: Sequence[int]) -> NDArray[np.int64] | None:
    """Of flat tensors, the core's index behind each element."""
    if all(value.order is None for value in values):
        return None
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    own = (np.arange(n) if v.order is None else v.order for v, n in zip(values, sizes, strict=True))
    return np.concatenate([start + order for start, order in zip(starts, own, strict=True)])
