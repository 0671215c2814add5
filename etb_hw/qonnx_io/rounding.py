"""Telling the rounding of a float executor from a wrong number."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from etb_hw.integer import IntegerGraph
from etb_hw.qonnx_io.affine import as_affine

SHARE = 0.01  # of a unit; neighbouring integers lie a whole unit apart
MOST = 0.25  # of a unit, where float32 hardly resolves one
FLOAT32 = 2 * float(np.finfo(np.float32).eps)


def without_rounding(graph: IntegerGraph, outputs: NDArray[np.generic]) -> NDArray[np.generic]:
    """Float outputs (N, C, ...) of another executor, those of an integer's rounded value made exact.

    Executors that add up scaled products round each of them; the integer graph scales an exact sum once. So
    a value within a hundredth of a unit, or float32's resolution, of what an integer stands for becomes just
    that. Whatever is farther off stays; so does everything where the scale is a power of two, as float32 is
    exact there.
    """
    affine = as_affine(graph.dequant)
    if graph.top or affine is None or not affine.scale.all():
        return outputs
    if not affine.offset.any() and (np.frexp(np.abs(affine.scale))[0] == 0.5).all():
        return outputs
    shape = (1, -1) + (1,) * (outputs.ndim - 2)
    scale, offset = (v.reshape(shape) if v.ndim else v for v in (affine.scale, affine.offset))
    integers = np.rint((outputs.astype(np.float64) - offset) / scale).astype(np.int64)
    gap = np.abs(outputs.astype(np.float64) - (integers * scale + offset))
    # the numbers themselves, and an offset among the constants, are rounded to float32 as well
    slack = SHARE * np.abs(scale) + FLOAT32 * (np.abs(outputs) + np.abs(offset))
    return np.where(gap <= np.minimum(slack, MOST * np.abs(scale)), graph.dequantize(integers), outputs)
