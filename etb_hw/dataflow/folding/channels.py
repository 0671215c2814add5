"""Channel counts that may grow by dead channels, so that they fold better.

A dead channel's threshold is out of reach, so it always yields the lowest value (bipolar -1), which is also
what the border holds; its readers see a constant, which their thresholds absorb. The results stay the same
bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from etb_hw.dataflow.block import Block
from etb_hw.dataflow.divisors import divisors
from etb_hw.dataflow.graph import DataflowGraph

_LIMIT = 1.125  # a count grows by an eighth at most
_CANDIDATES = 3


@dataclass(frozen=True)
class Groups:
    """Tensors that share one channel count: the group that a block reads and the one it yields.

    ``counts[group]`` are the counts a group may have, the present one first; ``maker[group]`` names the
    MVAU whose rows it counts (None: the design's input, or channels that are joined).
    """

    reads: Mapping[str, int]
    yields: Mapping[str, int]
    counts: Mapping[int, tuple[int, ...]]
    maker: Mapping[int, str | None]


def channel_groups(graph: DataflowGraph, pad: bool) -> Groups:
    """The groups of a design without plumbing; with ``pad``, what each may grow to."""
    reads: dict[str, int] = {}
    yields: dict[str, int] = {}
    maker: dict[int, str | None] = {0: None}
    members: dict[int, list[Block]] = {0: []}
    sizes: dict[int, int] = {0: graph.input_stream.channels}
    for block in graph.blocks:
        sources = [e.source.block for e in graph.edges if e.target.block == block.name]
        group = yields[sources[0]] if sources else 0
        reads[block.name] = group
        members[group].append(block)
        # a sum ties both of its branches to one count
        for other in sources[1:]:
            members[yields[other]].append(block)
        if block.MAKES_CHANNELS:
            group = len(maker)
            maker[group], members[group], sizes[group] = block.name, [], block.outputs[0].channels
        yields[block.name] = group
    last = yields[graph.output_port.block]
    growing = {g for g in sizes if pad and g != last and _may_grow(graph, maker[g], members[g])}
    counts = {group: growths(size) if group in growing else (size,) for group, size in sizes.items()}
    return Groups(reads, yields, counts, maker)


def _may_grow(graph: DataflowGraph, maker: str | None, members: list[Block]) -> bool:
    dead = None if maker is None else graph[maker].dead_value
    if maker is None or dead is None:
        return False
    return all(block.may_have_dead(dead, graph[maker].outputs[0].channels) for block in members)


def resized(block: Block, before: tuple[int, int], after: tuple[int, int]) -> Block:
    """The block with other channel counts (in, out), the new channels dead."""
    if before == after:
        return block
    return block.with_dead(before[0], after[0] - before[0], after[1] - before[1])


@lru_cache(maxsize=4096)
def growths(count: int) -> tuple[int, ...]:
    """A channel count and the slightly larger ones that have more divisors than every one before."""
    found = [count]
    most = len(divisors(count))
    for larger in range(count + 1, int(count * _LIMIT) + 3):
        if len(divisors(larger)) > most:
            most = len(divisors(larger))
            found.append(larger)
    # the best divisors are in the last ones
    return (count, *found[1:][-_CANDIDATES:])
