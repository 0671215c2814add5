"""Weights as integers times one scale an output channel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from etb_hw.integer import BIPOLAR, DataType
from etb_hw.qonnx_io.call import Call
from etb_hw.qonnx_io.value import Const

MAX_BITS = 8


def integer_weights(call: Call, const: Const) -> tuple[NDArray[np.integer], NDArray[np.float32], DataType]:
    """Split ``const``, output channels first, into integers, scale (O,) and the integers' type.

    Raises UnsupportedNode where the weights are not few-bit integers times a scale an output channel.
    """
    outputs = const.shape[0]
    if 0 in const.shape:
        call.fail("has no weights", "export the network again")
    if const.ints is not None and const.scale is not None:
        full = np.broadcast_to(const.scale, const.shape).reshape(outputs, -1)
        scale = np.ascontiguousarray(full[:, 0])
        if (full != scale[:, None]).any():
            call.fail(
                "the weight scale differs along the inputs of a filter",
                "quantize weights with one scale a tensor or one an output channel",
            )
        ints, dtype = const.ints, const.dtype
    else:
        ints, scale = _split(call, np.asarray(const.value, dtype=np.float32))
        dtype = const.dtype
    low, high = int(ints.min()), int(ints.max())
    if dtype is None or low < dtype.min or high > dtype.max:
        dtype = DataType.smallest(low, high)
        if low >= -1 and high <= 1:
            dtype = BIPOLAR if (np.abs(ints) == 1).all() else DataType.parse("TERNARY")
    if dtype.bits > MAX_BITS:
        call.fail(f"weights need {dtype.bits} bits", f"quantize them to at most {MAX_BITS} bits")
    return np.asarray(ints, dtype=np.int8 if high < 128 else np.int16), scale, dtype


def _split(call: Call, weights: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Recognise float weights that already lie on an integer grid."""
    rows = weights.reshape(weights.shape[0], -1)
    limit = 2 ** (MAX_BITS - 1)
    if (rows == np.rint(rows)).all() and np.abs(rows).max() <= limit:
        return weights.astype(np.int64), np.ones(len(rows), dtype=np.float32)
    size = np.abs(rows)
    smallest = np.where(size > 0, size, np.inf).min(axis=1)
    smallest[~np.isfinite(smallest)] = 1.0
    ints = np.zeros(rows.shape, dtype=np.int64)
    scale = np.ones(len(rows), dtype=np.float32)
    left = np.ones(len(rows), dtype=bool)
    for part in range(1, 9):  # the smallest weight may be several steps from zero
        step = (smallest / part).astype(np.float32)
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            ratio = np.clip(rows / step[:, None], -1e9, 1e9)
        near = np.rint(ratio)
        fits = left & (np.abs(ratio - near) <= 1e-6 * np.maximum(1, np.abs(near))).all(axis=1)
        fits &= np.abs(near).max(axis=1) <= limit
        ints[fits], scale[fits] = near[fits].astype(np.int64), step[fits]
        left &= ~fits
        if not left.any():
            return ints.reshape(weights.shape), scale
    return call.fail(
        f"the weights of output channel {int(np.flatnonzero(left)[0])} are no few-bit integers times a scale",
        "quantize the weights (BipolarQuant or Quant) before export; float layers have no hardware form here",
    )
