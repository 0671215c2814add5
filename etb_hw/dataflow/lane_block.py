"""A block that handles some channels of a pixel at once, a beat a cycle: FINN's PE, or SIMD, divides them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from etb_hw.dataflow.block import Block, Fold
from etb_hw.dataflow.divisors import divisors


@dataclass(frozen=True, eq=False, kw_only=True)
class LaneBlock(Block):
    """Base of blocks whose one choice is how many channels go side by side."""

    LANES: ClassVar[str] = "PE"  # FINN's name for that number

    @property
    def folded_channels(self) -> int:
        """The channels that the lanes divide."""
        return self.outputs[0].channels

    @property
    def cycles(self) -> int:
        return self.inputs[0].beats

    @property
    def folds(self) -> tuple[Fold, ...]:
        return tuple({self.LANES: lanes} for lanes in divisors(self.folded_channels))
