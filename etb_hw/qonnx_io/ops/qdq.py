"""QuantizeLinear and DequantizeLinear: quantizers in standard ONNX (Brevitas' QCDQ, onnxruntime, torch).

``DequantizeLinear(Clip(QuantizeLinear(x)))`` is a quantizer of few bits; ``merged_clips`` has put the Clip's
bounds into the QuantizeLinear before this is called.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper

from etb_hw.integer import Chain, DataType
from etb_hw.qonnx_io.affine import then
from etb_hw.qonnx_io.call import Call
from etb_hw.qonnx_io.ops.quantizers import scale_of
from etb_hw.qonnx_io.thresholds import Floats, quantize
from etb_hw.qonnx_io.value import Const, Tensor

Number = TypeVar("Number", bound=np.generic)
LOW, HIGH = "etb_low", "etb_high"  # attributes that a Clip behind it left


def quantize_linear(call: Call) -> Tensor:
    """``saturate(round(x / scale) + zero point)``, an integer; rounds to even."""
    _check_float32(call, "precision")
    low, high = limits(call)
    zero = zero_point(call)
    if isinstance(call.inputs[0], Const):
        array = call.inputs[0].value.astype(np.float32)
        scale = _along(call, scale_of(call), array.ndim)
        return Const(np.clip(np.round(array / scale) + zero, low, high).astype(np.int64))
    value = call.value(0)
    factor = call.per_channel(value, _along(call, scale_of(call), len(value.axes) + 1))

    def level(x: Floats) -> Floats:
        rounded: Floats = np.round(x) + np.float32(zero)
        return np.clip(rounded, np.float32(low), np.float32(high))

    chain = then(value.chain, "div", factor)
    return quantize(call, value.with_chain(chain), level, DataType.smallest(low, high), high)


def dequantize_linear(call: Call) -> Tensor:
    """``(x - zero point) * scale`` of an integer."""
    _check_float32(call, "output_dtype")
    scale = scale_of(call)
    if isinstance(call.inputs[0], Const):
        array = call.inputs[0].value.astype(np.int64)
        zero = call.optional(2)
        ints = array if zero is None else array - _along(call, zero.value.astype(np.int64), array.ndim)
        dtype = DataType.smallest(int(ints.min(initial=0)), int(ints.max(initial=0)))
        return Const(None, ints, _along(call, scale, array.ndim), dtype)
    value = call.value(0)
    zero_ = zero_point(call)
    factor = call.per_channel(value, _along(call, scale, len(value.axes) + 1))
    chain = then(then(value.chain, "sub", float(zero_)), "mul", factor)
    return replace(value, chain=chain, whole=False)


def input_of(call: Call) -> tuple[DataType, Chain]:
    """The integers that a QuantizeLinear right behind the input makes, and what they stand for."""
    low, high = limits(call)
    chain = then(Chain(), "sub", float(zero_point(call)))
    return DataType.smallest(low, high), then(chain, "mul", scale_of(call).reshape(()))


def limits(call: Call) -> tuple[int, int]:
    """The smallest and largest integer that a QuantizeLinear gives."""
    zero = call.optional(2)
    dtype = _wanted_type(call) if zero is None else zero.value.dtype
    if dtype.kind not in "iu":
        call.fail(f"gives {dtype}", "quantize to integers")
    own = np.iinfo(str(dtype))
    clipped = max(own.min, call.real(LOW, own.min)), min(own.max, call.real(HIGH, own.max))
    if clipped[0] >= clipped[1]:
        call.fail(f"is clipped to {clipped[0]:g} to {clipped[1]:g}", "clip to two integers in its range")
    return int(clipped[0]), int(clipped[1])


def _wanted_type(call: Call) -> np.dtype[Any]:
    """The type that a QuantizeLinear without a zero point gives: uint8, or what it says (operator set 21)."""
    kind = call.attr("output_dtype", 0) or TensorProto.UINT8
    if kind not in TensorProto.DataType.values():
        call.fail(f"has output_dtype {kind!r}", "export the network again")
    return np.dtype(helper.tensor_dtype_to_np_dtype(kind))


def zero_point(call: Call) -> int:
    """One integer for the whole tensor."""
    given = call.optional(2)
    if given is None:
        return 0
    values = given.value.reshape(-1)
    if values.size == 0 or (values != values[0]).any():
        call.fail("has zero points that differ between channels", "use one zero point a tensor")
    return int(values[0])


def _check_float32(call: Call, attribute: str) -> None:
    """Raise UnsupportedNode where operator set 23 asks for numbers of another type."""
    kind = call.attr(attribute, 0)
    if kind not in (0, TensorProto.FLOAT):
        call.fail(f"has {attribute} {kind!r}, which is not float32", "export in float32 (model.float())")


def _along(call: Call, values: NDArray[Number], rank: int) -> NDArray[Number]:
    """One value, or one a channel along the node's axis, to broadcast against a tensor of ``rank`` axes."""
    if values.size == 1:
        return values.reshape(())
    axis = int(call.real("axis", 1.0))
    axis += rank if axis < 0 else 0
    if values.ndim != 1 or not 0 <= axis < rank or call.attr("block_size", 0):
        call.fail(f"has scales of shape {values.shape}", "use one scale, or one a channel")
    return values.reshape([-1 if place == axis else 1 for place in range(rank)])
