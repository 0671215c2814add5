"""A QONNX graph in float64, ties decided exactly: the arbiter where float32 executors round.

qonnx adds up scaled products in float32. Where the exact sum lies on a quantizer's step, or two classes are
equal, rounding decides there. Here every standard operator runs in float64 by ONNX's own reference
implementation, and what lies within float64's rounding of a step or of another class counts as equal to it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun
from qonnx.custom_op.general.bipolar_quant import binary_quant
from qonnx.custom_op.general.multithreshold import multithreshold
from qonnx.custom_op.general.quant import quant
from qonnx.custom_op.general.trunc import trunc_v1, trunc_v2

from etb_hw.qonnx_io.batched import with_batch
from etb_hw.qonnx_io.input_types import as_declared
from etb_hw.qonnx_io.model_file import QUANTIZERS
from etb_hw.qonnx_io.writer import GENERAL

Doubles = NDArray[np.float64]
CLOSE = 1e-9  # of a tensor's largest value: far above float64's rounding, far below float32's


def execute_in_float64(model: onnx.ModelProto, x: NDArray[np.generic]) -> Doubles:
    """Outputs for ``x`` of shape (N, ...), one sample after another, float64.

    Meant for the few samples on which float32 and the integer graph part.
    """
    doubled = _doubled(with_batch(model, 1))
    evaluator, given = ReferenceEvaluator(doubled, new_ops=list(_OPS)), doubled.graph.input[0]
    results = []
    for one in x:
        outputs: Any = evaluator.run(None, {given.name: as_declared(given, one[None])})
        results.append(np.asarray(outputs[0], dtype=np.float64))
    return np.concatenate(results)


def snapped(x: Doubles, grid: float = 0.5) -> Doubles:
    """``x`` with values that rounding has moved off a multiple of ``grid`` put back on it."""
    near = np.rint(x / grid) * grid
    return np.where(np.abs(x - near) <= CLOSE * max(1.0, float(np.abs(x).max(initial=0))), near, x)


class _Quantizer(OpRun):
    op_domain = GENERAL


class BipolarQuant(_Quantizer):
    def _run(self, x: Doubles, scale: Doubles, **_: Any) -> tuple[Doubles]:
        largest = max(float(np.abs(x).max(initial=0)), float(np.finfo(np.float64).tiny))
        return (binary_quant(snapped(x / largest, 1.0), scale),)


class IntQuant(_Quantizer):
    def _run(
        self, x: Doubles, scale: Doubles, zero: Doubles, bits: Doubles,
        signed: int = 1, narrow: int = 0, rounding_mode: str = "ROUND",
    ) -> tuple[Doubles]:  # fmt: skip
        return (quant(snapped(x / scale) * scale, scale, zero, bits, signed, narrow, rounding_mode),)


class Quant(IntQuant):
    pass


class Trunc(_Quantizer):
    def _run(
        self, x: Doubles, scale: Doubles, zero: Doubles, bits: Doubles, *rest: Doubles,
        signed: int = 1, narrow: int = 0, rounding_mode: str = "FLOOR",
    ) -> tuple[Doubles]:  # fmt: skip
        x = snapped(x / scale) * scale
        if len(rest) == 1:
            return (trunc_v1(x, scale, zero, bits, rest[0], rounding_mode),)
        return (trunc_v2(x, scale, zero, bits, narrow, signed, *rest, rounding_mode),)


class DequantizeLinear(OpRun):
    """ONNX's own begins with operator set 19."""

    def _run(
        self, x: NDArray[np.integer], scale: Doubles, zero: NDArray[np.integer] | None = None,
        axis: int = 1, **_: Any,
    ) -> tuple[Doubles]:  # fmt: skip
        shifted = x.astype(np.float64) - (0.0 if zero is None else _along(axis, zero, x))
        return (shifted * _along(axis, scale, x),)


def _along(axis: int, values: NDArray[np.generic], x: NDArray[np.generic]) -> Doubles:
    """One value, or one a channel along the axis, to broadcast against ``x``."""
    shape = [1] * x.ndim
    if values.size > 1:
        shape[axis] = -1
    return values.astype(np.float64).reshape(shape)


class BatchNormalization(OpRun):
    """ONNX's own takes the batch's statistics below operator set 14, where a file names the momentum."""

    def _run(
        self, x: Doubles, gamma: Doubles, beta: Doubles, mean: Doubles, var: Doubles,
        epsilon: float = 1e-5, **_: Any,
    ) -> tuple[Doubles]:  # fmt: skip
        gamma, beta, mean, var = (v.reshape(-1, *(1,) * (x.ndim - 2)) for v in (gamma, beta, mean, var))
        return ((x - mean) / np.sqrt(var + epsilon) * gamma + beta,)


class MultiThreshold(_Quantizer):
    def _run(
        self, x: Doubles, thresholds: Doubles, out_dtype: str = "", out_scale: float = 1.0,
        out_bias: float = 0.0, data_layout: str = "",
    ) -> tuple[Doubles]:  # fmt: skip
        slack = CLOSE * max(1.0, float(np.abs(x).max(initial=0)))
        return (multithreshold(x + slack, thresholds, out_scale, out_bias, data_layout == "NHWC"),)


class MaxPool(OpRun):
    """ONNX's own takes borders that differ between the sides for others."""

    def _run(
        self, x: Doubles, kernel_shape: Any = None, strides: Any = None, pads: Any = None,
        auto_pad: str = "NOTSET", ceil_mode: int = 0, **_: Any,
    ) -> tuple[Doubles]:  # fmt: skip
        axes = len(kernel_shape)
        steps = list(strides or (1,) * axes)
        before, after = list(pads or (0,) * 2 * axes)[:axes], list(pads or (0,) * 2 * axes)[axes:]
        for i, (size, kernel, step) in enumerate(zip(x.shape[2:], kernel_shape, steps, strict=True)):
            if auto_pad in ("SAME_UPPER", "SAME_LOWER"):
                both = max(0, (-(-size // step) - 1) * step + kernel - size)
                low, high = both // 2, both - both // 2
                before[i], after[i] = (low, high) if auto_pad == "SAME_UPPER" else (high, low)
            elif ceil_mode:
                whole = before[i] + size + after[i]
                lacking = -(whole - kernel) % step
                if whole + lacking - kernel < before[i] + size:  # no window begins behind the image
                    after[i] += lacking
        border = [(0, 0), (0, 0), *zip(before, after, strict=True)]
        padded = np.pad(x, border, constant_values=-np.inf)
        where = tuple(range(2, 2 + axes))
        views = np.lib.stride_tricks.sliding_window_view(padded, tuple(kernel_shape), axis=where)
        views = views[(slice(None), slice(None), *(slice(None, None, step) for step in steps))]
        return (np.asarray(views.max(axis=tuple(range(-axes, 0)))),)


class Resize(OpRun):
    """To the nearest pixel, by whole factors: all that the importer takes. ONNX's own is slow."""

    def _run(
        self, x: Doubles, roi: Any = None, scales: Any = None, sizes: Any = None, axes: Any = None, **_: Any
    ) -> tuple[Doubles]:
        if scales is None and sizes is None:
            scales = roi  # where older operator sets have them
        for i, axis in enumerate(axes or range(x.ndim)):
            wanted = sizes[i] if scales is None or not len(scales) else round(x.shape[axis] * scales[i])
            x = np.repeat(x, int(wanted) // x.shape[axis], axis=axis)
        return (x,)


class Upsample(Resize):
    """Its name in older operator sets."""


class ArgMax(OpRun):
    """The first of the largest, as executors that compare exact values have it."""

    def _run(self, x: Doubles, axis: int = 0, keepdims: int = 1, **_: Any) -> tuple[NDArray[np.int64]]:
        winner = np.argmax(_rounded(x), axis=axis)
        return (np.expand_dims(winner, axis) if keepdims else winner,)


class TopK(OpRun):
    """The largest, the first of equal ones in front: what the importer takes."""

    def _run(self, x: Doubles, k: Any = 1, axis: int = -1, **_: Any) -> tuple[Doubles, NDArray[np.int64]]:
        count = int(np.asarray(k).reshape(-1)[0])
        best = np.take(np.argsort(-_rounded(x), axis=axis, kind="stable"), np.arange(count), axis=axis)
        return np.take_along_axis(x, best, axis), best


def _rounded(x: Doubles) -> Doubles:
    """Values that rounding has parted become one again."""
    grid = CLOSE * max(float(np.abs(x).max(initial=0)), float(np.finfo(np.float64).tiny))
    return np.asarray(np.rint(x / grid))


_OPS = (
    Quant, IntQuant, BipolarQuant, MultiThreshold, Trunc, DequantizeLinear, BatchNormalization, MaxPool,
    Resize, Upsample, ArgMax, TopK,
)  # fmt: skip


def _doubled(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph over float64: constants, casts and declared types; quantizers under one domain."""
    graph = model.graph
    for tensor in graph.initializer:
        _double(tensor)
    for node in graph.node:
        if node.domain in QUANTIZERS:
            node.domain = GENERAL
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR:
                _double(attribute.t)
            elif node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT:
                attribute.i = TensorProto.DOUBLE
    for info in (*graph.input, *graph.output):
        if info.type.tensor_type.elem_type in (TensorProto.FLOAT, TensorProto.UNDEFINED):
            info.type.tensor_type.elem_type = TensorProto.DOUBLE
    del graph.value_info[:]
    del graph.quantization_annotation[:]
    if all(opset.domain != GENERAL for opset in model.opset_import):
        model.opset_import.append(helper.make_opsetid(GENERAL, 1))
    return model


def _double(tensor: onnx.TensorProto) -> None:
    if tensor.data_type == TensorProto.FLOAT:
        values = numpy_helper.to_array(tensor).astype(np.float64)
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
