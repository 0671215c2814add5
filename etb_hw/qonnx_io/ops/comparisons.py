"""Greater, Less, ... with a constant, Not, and Where between constants: signs as people write them.

A comparison is one threshold. It gives signs, 1 for true, which hardware multiplies best; their chain makes 0
and 1 of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from etb_hw.integer import BIPOLAR
from etb_hw.qonnx_io.affine import then
from etb_hw.qonnx_io.call import Call
from etb_hw.qonnx_io.thresholds import Floats, quantize
from etb_hw.qonnx_io.value import Const, Tensor, Value

_TURNED = {
    "Greater": "Less",
    "Less": "Greater",
    "GreaterOrEqual": "LessOrEqual",
    "LessOrEqual": "GreaterOrEqual",
}
_OF_CONSTANTS: Mapping[str, Callable[..., NDArray[np.bool_]]] = {
    "Greater": np.greater, "Less": np.less, "GreaterOrEqual": np.greater_equal, "LessOrEqual": np.less_equal,
}  # fmt: skip


def compare(call: Call) -> Tensor:
    """Whether a tensor is larger, or smaller, than a constant, on either side."""
    a, b = call.input(0), call.input(1)
    op = call.node.op_type
    if isinstance(a, Const) and isinstance(b, Const):
        return Const(_OF_CONSTANTS[op](a.value, b.value))
    if isinstance(a, Value) and isinstance(b, Value):
        call.fail("compares two tensors", "compare with a constant")
    first = isinstance(a, Const)
    op = _TURNED[op] if first else op
    value = call.value(int(first))
    # the difference of two floats has the sign that it should have, however it is rounded
    chain = then(value.chain, "sub", call.per_channel(value, call.const(int(not first)).value))
    if op.startswith("Less"):
        chain = then(chain, "mul", -1.0)
    test = np.greater_equal if op.endswith("Equal") else np.greater

    def level(x: Floats) -> Floats:
        return np.where(test(x, 0), 1, -1).astype(x.dtype)

    signs = quantize(call, value.with_chain(chain), level, BIPOLAR, 1)
    return signs.with_chain(then(then(signs.chain, "mul", 0.5), "add", 0.5))


def negate(call: Call) -> Tensor:
    """1 - x."""
    if isinstance(call.inputs[0], Const):
        return Const(np.logical_not(call.inputs[0].value))
    value = _truth(call, 0)
    return value.with_chain(then(then(value.chain, "mul", -1.0), "add", 1.0))


def where(call: Call) -> Tensor:
    """One of two constants, each single or one a channel, by a comparison."""
    if isinstance(call.inputs[0], Const):
        return Const(np.where(call.const(0).value, call.const(1).value, call.const(2).value))
    value = _truth(call, 0)
    if not (isinstance(call.input(1), Const) and isinstance(call.input(2), Const)):
        call.fail("chooses between tensors", "choose between two constants, or use a quantizer")
    yes, no = (call.per_channel(value, call.const(place).value) for place in (1, 2))
    difference = yes - no
    if (no + difference != yes).any():
        call.fail(
            "chooses between numbers whose difference float32 rounds", "choose between 1 and -1, and scale"
        )
    return value.with_chain(then(then(value.chain, "mul", difference), "add", no))


def is_truth(call: Call, value: Value) -> bool:
    """Whether a tensor is a comparison's: signs, of which its chain makes 0 and 1."""
    x = call.builder.types[value.core]
    rows = np.broadcast_to(np.array([-1, 1]), (x.channels, 2))
    return x.dtype == BIPOLAR and bool(np.isin(value.chain.apply(rows, axis=0), (0, 1)).all())


def _truth(call: Call, place: int) -> Value:
    value = call.value(place)
    if not is_truth(call, value):
        call.fail("reads what is no comparison", "compare with a constant in front")
    return value
