"""Many blocks with random parameters against their Python behaviour; a few are in ``test_rtl_blocks``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from etb_hw.dataflow.block import Block
from hw_tests.rtl.block_bench import build_bench, random_frames, wrong
from hw_tests.rtl.random_blocks import draws

FRAMES = 3


def check(blocks: list[Block], cache: Path, seed: int) -> None:
    bench = build_bench(blocks, cache_dir=cache)
    data = np.random.default_rng(seed)
    for stalls, reset_at in ((0.0, None), (0.5, None), (0.3, 77)):
        frames = [random_frames(block, FRAMES, data) for block in bench.blocks]
        runs = bench.run(frames, stalls=stalls, seed=seed, reset_at=reset_at)
        found = wrong(runs, bench, frames)
        assert not found, {f"{bench.blocks[k]}": what for k, what in found.items()}


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 3, 4, 5])
def test_many_random_parameters(simulator_cache: Path, seed: int) -> None:
    check(draws(seed, 5, 6000), simulator_cache, seed)
