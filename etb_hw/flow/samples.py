"""The images on which stages are compared: real ones from the test set, and random ones for the corners."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from etb_hw.config import VerificationConfig
from etb_hw.data import Dataset


def samples(dataset: Dataset, config: VerificationConfig) -> NDArray[np.uint8]:
    """Test images, then random, all-black and all-white ones: uint8 (N, C, H, W), the same at every call."""
    real = dataset.test_x[: config.real]
    random = np.random.default_rng(0).integers(0, 256, (config.random, *dataset.shape), dtype=np.uint8)
    extremes = np.stack([np.full(dataset.shape, value, dtype=np.uint8) for value in (0, 255)])
    return np.concatenate([real, random, extremes])
