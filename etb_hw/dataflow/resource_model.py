"""From a block to what it costs: the interface of all such models, and the one of FINN's formulas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from etb_hw.dataflow.block import Block
from etb_hw.dataflow.resources import Resources


class ResourceModel(Protocol):
    """A function from a block to what it costs. Searches, tables and reports take one as ``model``.

    ``finn_model`` is the default; a model fitted to synthesis results is another such callable with a
    ``name`` that reports quote.
    """

    @property
    def name(self) -> str:
        """What reports call the model."""

    @property
    def counts_fifos(self) -> bool:
        """Whether a search prices the least FIFO of every stream; FINN's estimates leave FIFOs out."""

    def __call__(self, block: Block) -> Resources:
        """Resources of one block."""

    def __hash__(self) -> int:
        """Costs are remembered by model."""


@dataclass(frozen=True)
class FinnModel:
    """FINN's analytic formulas, as each block file documents them."""

    name: str = "finn"
    counts_fifos: bool = False

    def __call__(self, block: Block) -> Resources:
        return block.resources()


finn_model = FinnModel()
