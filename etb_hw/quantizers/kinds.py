"""The kinds of activations, one row each: what training, hardening, saving and export know of them.

A new kind is a new row. A flow file names it in ``model.activation``, a layer in ``LayerSpec.output``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from etb_hw.errors import BadInput


@dataclass(frozen=True)
class ActivationKind:
    """Evenly spaced integers that an activation may take once it is hard.

    Attributes:
        name: as LayerSpec.output and checkpoints name it.
        bits: of a value. low: the smallest value. step: between values, 1 or 2.
        pad: what borders are padded with; the live channels' share of it, so that dead channels have 0.
        magnitude: rough size of the values; also the first slope of the normalisation in front of few-bit
            kinds, which spreads unit deviations over the values.
        residual: linear but for its rounding, so that sums of it are worth adding up.
    """

    name: str
    bits: int
    low: int
    step: int
    pad: int
    magnitude: float
    residual: bool = False

    @property
    def thresholds(self) -> int:
        """Integer thresholds a channel: one less than there are values."""
        return int(2**self.bits) - 1

    @property
    def high(self) -> int:
        """The largest value."""
        return self.low + self.step * self.thresholds

    @property
    def bound(self) -> int:
        """The largest magnitude."""
        return max(-self.low, self.high)

    @property
    def signed(self) -> bool:
        return self.low < 0


BIPOLAR = ActivationKind("bipolar", bits=1, low=-1, step=2, pad=-1, magnitude=1.0)
STREAM = ActivationKind("stream", bits=4, low=-8, step=1, pad=0, magnitude=2.0, residual=True)

KINDS: Mapping[str, ActivationKind] = {
    kind.name: kind
    for kind in (
        BIPOLAR,
        STREAM,
        ActivationKind("uint2", bits=2, low=0, step=1, pad=0, magnitude=1.5),
        ActivationKind("uint4", bits=4, low=0, step=1, pad=0, magnitude=5.0),
    )
}


def kind_named(name: str, where: str) -> ActivationKind:
    """The kind of this name. Raises BadInput, about ``where``, for any other."""
    if name not in KINDS:
        raise BadInput(where, f"{name!r} is no kind of activation", f"use one of: {', '.join(KINDS)}")
    return KINDS[name]
