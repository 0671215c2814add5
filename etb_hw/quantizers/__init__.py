"""Brevitas quantizers with trainable thresholds: values evolve from ternary to binary or zero."""

from etb_hw.quantizers.activation import (
    ChannelQuant,
    EvolvingActivation,
    EvolvingActivationQuant,
    EvolvingLevels,
    EvolvingLevelsQuant,
    evolving,
)
from etb_hw.quantizers.functions import signs
from etb_hw.quantizers.kinds import BIPOLAR, KINDS, STREAM, ActivationKind, kind_named
from etb_hw.quantizers.weight import EvolvingWeight, EvolvingWeightQuant

__all__ = [
    "BIPOLAR",
    "KINDS",
    "STREAM",
    "ActivationKind",
    "ChannelQuant",
    "EvolvingActivation",
    "EvolvingActivationQuant",
    "EvolvingLevels",
    "EvolvingLevelsQuant",
    "EvolvingWeight",
    "EvolvingWeightQuant",
    "evolving",
    "kind_named",
    "signs",
]
