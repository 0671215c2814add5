"""What is put around an image: a value, and less of it around channels that fade."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from etb_hw.quantizers.functions import per_channel


def with_border(x: Tensor, pads: tuple[int, ...], value: float, alive: Tensor | None = None) -> Tensor:
    """Pad (N, C, ...) with ``value``, times ``alive`` (C,) in [0, 1] if given; what is inside is not rounded.

    Args:
        pads: as for torch.nn.functional.pad.
    """
    if alive is None or value == 0:
        return F.pad(x, pads, value=value)
    frame = F.pad(torch.zeros_like(x[:1, :1]), pads, value=value)
    return F.pad(x, pads).add_(frame * per_channel(alive.to(x.dtype), x, 1))
