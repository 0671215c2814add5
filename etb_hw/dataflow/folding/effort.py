"""How far the search for a folding goes."""

from __future__ import annotations

from dataclasses import dataclass

from etb_hw.dataflow.graph import DataflowGraph


@dataclass(frozen=True, kw_only=True, eq=False)
class Effort:
    """What a search may change, and how long it looks.

    Attributes:
        pad_channels: let channel counts grow by dead channels where that is cheaper (exact).
        choose_memory: choose LUTRAM, block RAM or UltraRAM for each memory; otherwise styles stay.
        pixels: let blocks handle several pixels a cycle where no other folding meets the rate.
        hint: a folded design to start from.
        time_limit_s: for each call of the solver; at the limit the best design so far is returned.
    """

    pad_channels: bool = False
    choose_memory: bool = True
    pixels: bool = True
    hint: DataflowGraph | None = None
    time_limit_s: float = 30.0
