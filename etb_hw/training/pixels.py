"""The integers of a data set as torch takes them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from etb_hw.data.dataset import Pixels


def tensor_of(x: Pixels) -> Tensor:
    """The same integers (N, C, H, W), in memory that is shared where it can be."""
    # torch neither pads nor indexes uint16
    return torch.from_numpy(x.astype(np.int32) if x.dtype == np.uint16 else x)
