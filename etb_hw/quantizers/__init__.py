"""Brevitas quantizers with trainable thresholds: values evolve from ternary to binary or zero."""

from etb_hw.quantizers.activation import EvolvingActivation, EvolvingActivationQuant
from etb_hw.quantizers.functions import signs
from etb_hw.quantizers.weight import EvolvingWeight, EvolvingWeightQuant

__all__ = [
    "EvolvingActivation",
    "EvolvingActivationQuant",
    "EvolvingWeight",
    "EvolvingWeightQuant",
    "signs",
]
