"""Quantizers with trainable thresholds: values evolve from ternary to binary or zero."""

from etb_hw.quantizers.activation import (
    ChannelQuant,
    EvolvingActivationQuant,
    EvolvingLevelsQuant,
    evolving,
)
from etb_hw.quantizers.functions import signs
from etb_hw.quantizers.kinds import BIPOLAR, KINDS, STREAM, ActivationKind, kind_named
from etb_hw.quantizers.weight import EvolvingWeightQuant

__all__ = [
    "BIPOLAR",
    "KINDS",
    "STREAM",
    "ActivationKind",
    "ChannelQuant",
    "EvolvingActivationQuant",
    "EvolvingLevelsQuant",
    "EvolvingWeightQuant",
    "evolving",
    "kind_named",
    "signs",
]
