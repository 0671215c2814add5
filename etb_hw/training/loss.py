"""What training minimises."""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor

from etb_hw.config import TrainingConfig
from etb_hw.errors import BadInput


def loss_of(logits: Tensor, labels: Tensor, taught: Tensor | None, config: TrainingConfig) -> Tensor:
    """Cross-entropy with the labels (B,), and with a teacher's logits if there are any.

    Args:
        logits, taught: (B, classes).

    Source: distillation of Hinton et al. (2015), the factor T^2 keeps gradients of one size.
    """
    hard = F.cross_entropy(logits, labels, label_smoothing=config.label_smoothing)
    if taught is None:
        return hard
    share, t = config.teacher.share, config.teacher.temperature
    soft = F.kl_div(
        F.log_softmax(logits / t, 1), F.log_softmax(taught / t, 1), reduction="batchmean", log_target=True
    )
    return (1 - share) * hard + share * t * t * soft


def check_loss(key: str, value: float, step: int) -> None:
    """Raise BadInput about a flow file's ``key`` for a loss that is no number.

    Asked before its gradients reach the weights, so that what is saved stays fit to go on from.
    """
    if not math.isfinite(value):
        raise BadInput(key, f"training diverged at step {step} (loss is {value})", "lower it")
