"""The data set that is always at hand: 1,797 real handwritten digits, bundled with scikit-learn.

8x8 pixels of 0..16, from E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits (UCI, 1998).
"""

from __future__ import annotations

import numpy as np

from etb_hw.config import DataConfig
from etb_hw.data.dataset import Dataset
from etb_hw.data.split import split

SCALE = 15  # 0..16 becomes 0..240: exact, linear, and it fits unsigned 8 bit (16 * 16 would not)


def load_digits(config: DataConfig) -> Dataset:
    """The digits as uint8 (N, 1, 8, 8), split by ``test_share`` and ``split_seed``."""
    from sklearn.datasets import load_digits as bundled

    found = bundled()
    x = (found.images * SCALE).astype(np.uint8)[:, None]
    y = found.target.astype(np.int64)
    return split(config, x, y, tuple(str(i) for i in range(10)), config.source or "scikit-learn digits (8x8)")
