"""The little integer arithmetic that exporters leave around Reshape: Constant, Gather, Concat, Slice."""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray

from etb_hw.qonnx_io.call import Call
from etb_hw.qonnx_io.model_file import to_array
from etb_hw.qonnx_io.value import Const, Tensor

_LIMIT = 1 << 16  # shapes are short; nothing here may allocate much


def constant(call: Call) -> Tensor:
    for name in ("value", "value_float", "value_int", "value_floats", "value_ints"):
        given = call.attr(name)
        if given is not None:
            if isinstance(given, onnx.TensorProto):
                return Const(to_array(given))
            array = np.asarray(given)
            return Const(array.astype(np.float32) if array.dtype.kind == "f" else array)
    return call.fail("holds no dense value", "use an initializer")


def gather(call: Call) -> Tensor:
    data, index = _small(call, 0), _small(call, 1)
    try:
        return Const(np.take(data, index.astype(np.int64), axis=int(call.attr("axis", 0))))
    except (IndexError, ValueError):
        return call.fail("its index is out of range", "export the network again")


def concat(call: Call) -> Tensor:
    if not all(isinstance(t, Const) for t in call.inputs):
        call.fail("joins channels of several tensors", "add branches instead of concatenating them")
    try:
        parts = [_small(call, i) for i in range(len(call.inputs))]
        return Const(np.concatenate(parts, axis=int(call.attr("axis", 0))))
    except ValueError:
        return call.fail("its shapes do not fit", "export the network again")


def slice_(call: Call) -> Tensor:
    data = _small(call, 0)
    starts, ends = call.int_list("starts", 1), call.int_list("ends", 2)
    axes = call.int_list("axes", 3)
    steps = call.int_list("steps", 4)
    if (
        starts is None
        or ends is None
        or data.ndim != 1
        or axes not in (None, (0,))
        or steps not in (None, (1,))
    ):
        call.fail("slices a tensor", "only slices of shapes are supported")
    return Const(data[starts[0] : ends[0]])


def _small(call: Call, index: int) -> NDArray[np.generic]:
    array = call.const(index).value
    if array.size > _LIMIT:
        call.fail(f"input {index} is large", "fold constants before export (qonnx-cleanup)")
    return array
