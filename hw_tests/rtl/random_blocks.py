"""Blocks with random parameters, as the calibration grid draws them."""

from __future__ import annotations

import random
from itertools import islice

from etb_hw.calibration.rows import block_of, grid
from etb_hw.dataflow.block import Block
from etb_hw.dataflow.blocks import BLOCKS, Mvau


def draws(seed: int, each: int, most_cycles: int) -> list[Block]:
    """So many random blocks of every kind, whose frames are short enough to simulate many."""
    found: dict[str, list[Block]] = {}
    for spec in islice(grid(seed), 100 + 50 * each):
        block = block_of(spec, seed)
        if len(same := found.setdefault(block.kind, [])) < each and _work(block) <= most_cycles:
            same.append(block)
    return [block for same in found.values() for block in same] + _of_several_pixels(seed, each, most_cycles)


def _of_several_pixels(seed: int, each: int, most_cycles: int) -> list[Block]:
    """The samplers that no turn of the grid has, among them those of several pixels a cycle."""
    samplers = [sampler for kind in BLOCKS for sampler in kind.samplers() if not sampler.share]
    drawn = [sampler.draw(random.Random(f"{seed} {i}")) for sampler in samplers for i in range(each)]
    made = [block_of(spec, seed) for spec in drawn]
    return [block for block in made if _work(block) <= most_cycles]


def _work(block: Block) -> int:
    streams = (*block.inputs, *block.outputs)
    if max(stream.dtype.bits for stream in streams) > 32:
        return 10**9  # random values are drawn as 64-bit integers
    memory = block.mh * block.mw // 16 if isinstance(block, Mvau) else 0
    return max(block.cycles, memory, *(stream.beats for stream in streams))
