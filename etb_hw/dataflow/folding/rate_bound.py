"""What keeps a design that fills a device from being faster, and what would lift it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from etb_hw.dataflow.block import Block
from etb_hw.dataflow.folding.effort import Effort
from etb_hw.dataflow.folding.search import Folding, fold
from etb_hw.dataflow.folding.target import Target
from etb_hw.dataflow.folding.too_fast import fastest, lifts
from etb_hw.dataflow.refold import strip
from etb_hw.dataflow.resources import Resources

_TIME_S = 10.0  # to price the next faster rate: it is for a message
_KINDS = (
    ("lut", "LUT"),
    ("ff", "flip-flops"),
    ("bram_18k", "BRAM18"),
    ("uram", "URAM"),
    ("dsp", "DSP"),
)


@dataclass(frozen=True)
class RateBound:
    """The block that binds the rate.

    Attributes:
        block, layer: its name, and the layer that it is of.
        cycles: what it takes for a frame.
        reason: why no folding is faster. remedy: what would lift it.
    """

    block: str
    layer: str
    cycles: int
    reason: str
    remedy: str


def rate_bound(folding: Folding, target: Target, effort: Effort) -> RateBound:
    """What binds the highest rate that was found within ``target``'s budget."""
    graph, slowest = folding.graph, folding.graph.bottleneck
    blocks = strip(graph).blocks
    limiting = max(blocks, key=lambda block: fastest(block, effort.pixels))
    least = fastest(limiting, effort.pixels)
    if least >= slowest.cycles:
        reason = f"{_named(limiting)} takes {least:,} cycles a frame even fully unrolled"
        remedy = " or ".join(("a shorter clock period", *lifts(limiting, effort.pixels)))
        return RateBound(limiting.name, limiting.layer, least, reason, remedy)
    steps = {block.folded(fold).cycles for block in blocks for fold in block.all_folds(effort.pixels)}
    nearest = max(step for step in steps if least <= step < slowest.cycles)
    rate = f"{1e9 / (graph.clk_ns * nearest):,.0f} frames/s"
    reason = f"{_named(slowest)} takes {slowest.cycles:,} cycles a frame; "
    free = Target(cycles=nearest, model=target.model, weights=target.weights)
    cheapest = fold(graph, free, replace(effort, hint=None, time_limit_s=min(_TIME_S, effort.time_limit_s)))
    over = _over(cheapest.graph.least_cost(target.model), target.budget or Resources())
    if over:
        reason += f"{rate} take {over}"
        remedy = "raise max_utilization, take a larger device or prune the network further"
    else:
        reason += f"no folding of {rate} was found in {effort.time_limit_s:g} s"
        remedy = "raise build.time_limit_s"
    return RateBound(slowest.name, slowest.layer, slowest.cycles, reason, remedy)


def _named(block: Block) -> str:
    return f"{block.name} ({block.layer})"


def _over(need: Resources, limit: Resources) -> str:
    """Which resources are too few, in words; empty where all suffice."""
    return " and ".join(
        f"{getattr(need, kind):,.0f} {word} of {getattr(limit, kind):,.0f}"
        for kind, word in _KINDS
        if getattr(need, kind) > getattr(limit, kind)
    )
