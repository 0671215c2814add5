"""A block that may handle M neighbouring pixels of a row in every cycle: FINN's MMV.

A beat then carries all channels of M pixels, so that a row takes 1/M of the beats. A block that does so is
unrolled (all of a pixel a cycle), its weights and thresholds are constants, and M pixels meet the same ones.
FINN names the attribute (``M`` of its window generator, ``mmv`` in its matrix units) and builds one pixel
("not supported yet"), and it has no form of some blocks that takes even that in a cycle: such nodes are of a
domain of ours, so that FINN refuses the file instead of building something slower.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Self

from etb_hw.dataflow.block import Block, FinnNode, Fold
from etb_hw.dataflow.divisors import divisors
from etb_hw.dataflow.lane_block import LaneBlock
from etb_hw.dataflow.stream import Stream
from etb_hw.dataflow.vocabulary import OWN_DOMAIN
from etb_hw.errors import BadInput
from etb_hw.integer.datatype import DataType


def counts_in(pixels: tuple[int, ...]) -> tuple[int, ...]:
    """How many pixels above one fill the rows of an image of (H, W) pixels; none where there is no row."""
    return divisors(pixels[-1])[1:] if pixels else ()


@dataclass(frozen=True, eq=False, kw_only=True)
class PixelBlock(Block):
    """Base of blocks that take ``m`` pixels a beat."""

    m: int = 1

    def __post_init__(self) -> None:
        if self.m == 1:
            return
        where = f"{self.name}.M = {self.m!r}"
        if self.m not in self.pixel_counts:
            legal = ", ".join(map(str, (1, *self.pixel_counts)))
            raise BadInput(where, "pixels do not divide the rows that it reads and yields", f"use {legal}")
        if self.links:
            raise BadInput(
                where,
                f"the weights of {self.layer} are writable, and several pixels a cycle share constants",
                "give M = 1, or build it with fixed weights",
            )
        if any(getattr(self, key.lower()) != value for key, value in self.unrolled.items()):
            wanted = ", ".join(f"{key} = {value}" for key, value in self.unrolled.items())
            raise BadInput(where, "pixels a cycle need all of each pixel in it", f"give {wanted}")

    @property
    @abstractmethod
    def pixel_counts(self) -> tuple[int, ...]:
        """Numbers of pixels above one that it can handle in a cycle, rising."""

    @property
    def unrolled(self) -> Fold:
        """The folding that takes all of a pixel in a cycle; one that is not among ``folds`` is ours alone."""
        return self.folds[-1]

    @property
    def pixel_folds(self) -> tuple[Fold, ...]:
        one = () if self.unrolled in self.folds else (1,)
        return tuple({**self.unrolled, "M": m} for m in (*one, *self.pixel_counts))

    @property
    def pixel_parameters(self) -> dict[str, int | str]:
        """What tells our RTL of several pixels."""
        return {} if self.m == 1 else {"M": self.m}

    @property
    def fold(self) -> Fold:
        return super().fold if self.m == 1 else {**super().fold, "M": self.m}

    def folded(self, fold: Fold) -> Self:
        # a folding that says nothing of pixels is one of a pixel at a time
        return super().folded({"M": 1, **fold} if fold else fold)

    def finn_node(self) -> FinnNode:
        node = super().finn_node()
        if self.fold in self.folds:
            return node
        return replace(node, domain=OWN_DOMAIN, attributes={**node.attributes, "M": self.m})


@dataclass(frozen=True, eq=False, kw_only=True)
class PixelLaneBlock(PixelBlock, LaneBlock):
    """Base of those whose one choice for a pixel is how many channels go side by side."""

    @property
    def lanes(self) -> int:
        """Values side by side: some channels of a pixel, or all channels of M pixels."""
        return self.m * int(getattr(self, self.LANES.lower()))

    def stream(self, shape: tuple[int, ...], dtype: DataType) -> Stream:
        """A stream of such values, for frames of ``shape``."""
        return Stream(shape, dtype, self.lanes, self.m)
