"""The smallest FIFO depths that keep the throughput.

First the pipeline runs with FIFOs that never fill, the source spread over the bottleneck's cycles: what they
then hold is enough. From there, groups of FIFOs shrink to two beats as long as the initiation interval stays,
halving groups that do not, and the few that must be deep are bisected.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from etb_hw.dataflow.graph import DataflowGraph, Edge
from etb_hw.dataflow.simulation.simulate import Deadlock, StreamReport, simulate_streams

_LEAST = 2
_STEP = 32
_MOST = 1 << 30


@dataclass(frozen=True, eq=False)
class FifoSizing:
    """A design whose edges carry the depths found, and how it runs with them."""

    graph: DataflowGraph
    report: StreamReport
    simulations: int


def size_fifos(
    graph: DataflowGraph,
    *,
    minimal: bool = True,
    tolerance: float = 0.0,
    precision: float = 0.125,
    frames: int = 4,
) -> FifoSizing:
    """Smallest FIFO depths for the throughput that unlimited FIFOs would give.

    Args:
        minimal: search for the smallest; otherwise take, after two or three simulations, what the FIFOs held
            when nothing stopped them.
        tolerance: how much longer than that the initiation interval may be, as a share.
        precision: how close to the smallest a depth has to be, as a share of it, where a shallower one
            would save anything; 0 is exact.
        frames: how many are simulated each time.
    """
    sizing = _Sizing(graph, frames, precision)
    unlimited = dict.fromkeys(graph.edges, _MOST)
    free = simulate_streams(graph, frames=frames, depths=unlimited, interval=graph.bottleneck.cycles)
    # the estimate is exact, but a pipeline of many branches may settle a little above it
    reached = simulate_streams(graph, frames=frames, depths=unlimited)
    sizing.goal = int(max(free.interval, reached.interval) * (1 + tolerance))
    # frames that come first may take a little longer, until the branches have settled
    slowest = [int(gap) for report in (free, reached) for gap in np.diff(report.ends[1:])]
    sizing.patience = max(sizing.goal, *slowest, 0)
    sizing.fill = 2 * reached.latency
    # a memory FIFO delays a beat by one cycle more than a register pair: leave room for that
    held = free.occupancy
    enough = {edge: held[edge] + 2 if held[edge] > _LEAST else _LEAST for edge in graph.edges}
    while not sizing.keeps(enough):
        if max(enough.values(), default=_MOST) >= _MOST:
            raise Deadlock(
                "streams", "no depth of the FIFOs keeps the throughput", "report this with the design"
            )
        enough = {edge: 2 * depth for edge, depth in enough.items()}
    depths = dict(enough)
    if minimal:
        depths = sizing.shrink(depths, list(graph.edges))
        for edge in sorted(graph.edges, key=lambda edge: -depths[edge]):
            if depths[edge] > _LEAST:
                depths[edge] = sizing.bisect(depths, edge)
    edges = tuple(replace(edge, depth=depths[edge]) for edge in graph.edges)
    sized = replace(graph, edges=edges)
    return FifoSizing(sized, simulate_streams(sized, frames=frames), sizing.simulations + 3)


def _dearer(depth: int, less: int) -> bool:
    """Whether a FIFO costs more than a shallower one: shift registers come in steps of 32 beats."""
    return -(-depth // _STEP) > -(-less // _STEP)


class _Sizing:
    def __init__(self, graph: DataflowGraph, frames: int, precision: float) -> None:
        self.graph = graph
        self.precision = precision
        self.frames = frames
        self.goal = 0
        self.patience = 0  # cycles between two frames after which a simulation may be given up
        self.fill = 0  # cycles in which a first frame surely comes through; short frames take little else
        self.simulations = 0

    def keeps(self, depths: Mapping[Edge, int]) -> bool:
        """Whether these depths keep the interval, with a source that sends as fast as it can."""
        self.simulations += 1
        cycles = sum(block.cycles for block in self.graph.blocks)
        limit = (self.frames + 4) * self.patience + cycles + self.fill
        try:
            report = simulate_streams(
                self.graph, frames=self.frames, depths=depths, goal=self.patience, max_cycles=limit
            )
        except Deadlock:
            return False
        return report.interval <= self.goal

    def shrink(self, depths: dict[Edge, int], group: Sequence[Edge]) -> dict[Edge, int]:
        """Set as many of a group as possible to the least depth."""
        group = [edge for edge in group if depths[edge] > _LEAST]
        if not group:
            return depths
        tried = {**depths, **dict.fromkeys(group, _LEAST)}
        if self.keeps(tried):
            return tried
        if len(group) == 1:
            return depths
        middle = len(group) // 2
        return self.shrink(self.shrink(depths, group[:middle]), group[middle:])

    def bisect(self, depths: Mapping[Edge, int], edge: Edge) -> int:
        """The least depth of one edge, the others given."""
        low, high = _LEAST, depths[edge]  # low fails, high keeps
        while high - low > 1 + self.precision * low and (not self.precision or _dearer(high, low)):
            # depths spread over magnitudes: halve the ratio, not the difference
            middle = min(high - 1, max(low + 1, round((low * high) ** 0.5)))
            if self.keeps({**depths, edge: middle}):
                high = middle
            else:
                low = middle
        return high
