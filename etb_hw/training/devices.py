"""Where a run computes."""

from __future__ import annotations

import torch

from etb_hw.config import TrainingConfig
from etb_hw.errors import BadInput


def pick_device(name: str) -> torch.device:
    """``auto`` takes a GPU if there is one. Raises BadInput for ``cuda`` without one."""
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise BadInput("training.device", "no CUDA device was found", "use device = 'auto' or 'cpu'")
    if not available or name == "cpu":
        return torch.device("cpu")
    return torch.device("cuda", torch.cuda.current_device())


def prepare(training: TrainingConfig) -> torch.device:
    """Where ``training`` computes; sets torch's number of threads as it says."""
    if training.threads:
        torch.set_num_threads(training.threads)
    return pick_device(training.device)
