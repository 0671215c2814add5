"""The networks of the benchmarks at full size: search, simulation, RTL-true intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from etb_hw.dataflow import Effort, Target, find_device, fold, lower, set_folding
from etb_hw.dataflow.simulation import simulate_streams, size_fifos
from etb_hw.integer import IntegerGraph
from hw_tests import networks

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

NETWORKS: dict[str, Callable[[], IntegerGraph]] = {
    "cnv": networks.cnv,
    "vgg_small": networks.vgg_small,
    "pruned_vgg_small": networks.pruned_vgg_small,
    "resnet18": networks.resnet18,
}


@pytest.mark.parametrize("name", NETWORKS)
def test_never_worse_than_set_folding(name: str) -> None:
    design = lower(NETWORKS[name]())
    for fps in (100, 500, 1000, 2000):
        theirs = set_folding(design, int(1e8 / fps))
        limit = replace(theirs.resources, uram=0)
        ours = fold(design, Target(cycles=theirs.bottleneck.cycles, limit=limit), Effort(hint=theirs)).graph
        assert ours.fps >= theirs.fps
        assert ours.resources.lut <= limit.lut
        assert ours.resources.bram_18k <= limit.bram_18k


@pytest.mark.parametrize("name", NETWORKS)
def test_sized_pipelines_run_at_the_estimated_interval(name: str) -> None:
    design = fold(lower(NETWORKS[name]()), Target(fps=500)).graph
    sized = size_fifos(design, minimal=False)
    assert simulate_streams(sized.graph).interval == design.bottleneck.cycles


def test_pruning_makes_the_device_faster() -> None:
    device = find_device("ZCU104")
    dense = fold(lower(networks.vgg_small()), Target(device=device))
    pruned = fold(lower(networks.pruned_vgg_small()), Target(device=device))
    assert pruned.graph.fps > dense.graph.fps
    for found in (dense, pruned):
        used, budget = found.graph.resources, device.budget(0.7)
        assert used.lut <= budget.lut
        assert used.bram_18k <= budget.bram_18k
        assert used.uram <= budget.uram
