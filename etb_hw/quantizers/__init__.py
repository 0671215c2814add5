"""Brevitas quantizers with trainable thresholds: values evolve from ternary to binary or zero."""

from etb_hw.quantizers.activation import (
    STREAM_BITS,
    STREAM_MAX,
    STREAM_MIN,
    ChannelQuant,
    EvolvingActivation,
    EvolvingActivationQuant,
    EvolvingStream,
    EvolvingStreamQuant,
)
from etb_hw.quantizers.functions import signs
from etb_hw.quantizers.weight import EvolvingWeight, EvolvingWeightQuant

__all__ = [
    "STREAM_BITS",
    "STREAM_MAX",
    "STREAM_MIN",
    "ChannelQuant",
    "EvolvingActivation",
    "EvolvingActivationQuant",
    "EvolvingStream",
    "EvolvingStreamQuant",
    "EvolvingWeight",
    "EvolvingWeightQuant",
    "signs",
]
