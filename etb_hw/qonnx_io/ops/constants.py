"""Constants, and the shape arithmetic that exporters leave around Reshape and Pad."""

from __future__ import annotations

import numpy as np
import onnx

from etb_hw.qonnx_io.call import Call
from etb_hw.qonnx_io.model_file import to_array
from etb_hw.qonnx_io.small_constants import evaluate
from etb_hw.qonnx_io.value import Const, Tensor


def constant(call: Call) -> Tensor:
    for name in ("value", "value_float", "value_int", "value_floats", "value_ints"):
        given = call.attr(name)
        if given is not None:
            if isinstance(given, onnx.TensorProto):
                return Const(to_array(given))
            array = np.asarray(given)
            return Const(array.astype(np.float32) if array.dtype.kind == "f" else array)
    return call.fail("holds no dense value", "use an initializer")


def shape_arithmetic(call: Call) -> Tensor:
    """ConstantOfShape, and Gather, Slice and Concat of small constants."""
    if not all(isinstance(t, Const) for t in call.inputs if t is not None):
        call.fail(
            "cuts or picks parts of a tensor, which hardware does not stream",
            "let the layers read the whole tensor, and pad with a constant (padding_mode='zeros')",
        )
    arrays = [call.const(i).value for i in range(len(call.inputs)) if call.inputs[i] is not None]
    return Const(evaluate(call.node, arrays, call.opset))
