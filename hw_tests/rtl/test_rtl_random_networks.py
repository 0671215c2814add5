"""Random networks at the highest rate that any folding reaches, in Verilator against the packed simulator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from etb_hw.dataflow import Effort, Target, fold, lower
from etb_hw.dataflow.folding.too_fast import fastest
from etb_hw.dataflow.simulation import size_fifos
from etb_hw.integer.packed import PackedExecutor
from etb_hw.rtl import simulate
from hw_tests.integer.random_graphs import random_batch, random_graph

FRAMES = 5
# small ones with joined channels or pools that overlap, most of several pixels a cycle
QUICK = (9, 133, 145)
SEEDS = (8, 14, 15, 49, 61, 64, 78, 83, 89, 93, 95, 106, 110, 116, 122, 125, 157, 161, 163, 168, 169, 178)


def check(seed: int, cache: Path) -> None:
    network = random_graph(seed)
    lowered = lower(network)
    cycles = max(fastest(block, pixels=True) for block in lowered.blocks)
    # of the fastest foldings any will do
    design = size_fifos(fold(lowered, Target(cycles=cycles), Effort(time_limit_s=3)).graph).graph
    x = random_batch(network, FRAMES, seed)
    expected = PackedExecutor(network).run(x)
    frames = x.transpose(0, 2, 3, 1) if x.ndim == 4 else x
    expected = expected.transpose(0, 2, 3, 1) if expected.ndim == 4 else expected
    run = simulate(design, frames, cache_dir=cache)
    np.testing.assert_array_equal(run.outputs.reshape(expected.shape), expected)
    report = size_fifos(design).report
    assert run.ii == report.interval == design.bottleneck.cycles == cycles
    assert run.latency == report.latency
    stalled = simulate(design, frames, stalls=0.4, seed=seed, reset_at=33, cache_dir=cache)
    np.testing.assert_array_equal(stalled.outputs.reshape(expected.shape), expected)


@pytest.mark.parametrize("seed", QUICK)
def test_networks_as_fast_as_they_go(seed: int, simulator_cache: Path) -> None:
    check(seed, simulator_cache)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_many_networks_as_fast_as_they_go(seed: int, simulator_cache: Path) -> None:
    check(seed, simulator_cache)
