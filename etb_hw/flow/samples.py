"""The images on which stages are compared: real ones from the test set, and random ones for the corners."""

from __future__ import annotations

import numpy as np

from etb_hw.config import VerificationConfig
from etb_hw.data.dataset import Dataset, Pixels


def samples(dataset: Dataset, config: VerificationConfig) -> Pixels:
    """Test images, then random, all-lowest and all-highest ones: (N, C, H, W), the same at every call."""
    real = dataset.test_x[: config.real]
    kind = real.dtype
    low, high = np.iinfo(kind).min, np.iinfo(kind).max
    random = np.random.default_rng(0).integers(low, high + 1, (config.random, *dataset.shape), dtype=kind)
    extremes = np.stack([np.full(dataset.shape, value, dtype=kind) for value in (low, high)])
    return np.concatenate([real, random, extremes])
