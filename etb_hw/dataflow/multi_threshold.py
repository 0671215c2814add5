"""Sums to the levels that their thresholds tell apart, as matrix units and thresholding blocks do it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from etb_hw.integer.datatype import DataType


def multi_threshold(
    x: NDArray[np.int64], thresholds: NDArray[np.int64], dtype: DataType
) -> NDArray[np.int64]:
    """``dtype.min + dtype.step * #{t : x >= thresholds[c, t]}``, channels last."""
    reached = np.zeros(x.shape, dtype=np.int64)
    for column in thresholds.T:
        reached += x >= column
    return dtype.min + dtype.step * reached
