"""The stream simulation: intervals, stalls, deadlocks, FIFO depths, and agreement with the RTL."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest

from etb_hw.dataflow import DataflowGraph, Target, fold, lower
from etb_hw.dataflow.simulation import simulate_streams, size_fifos
from etb_hw.dataflow.simulation.simulate import Deadlock
from etb_hw.errors import MissingTool
from hw_tests import networks


def chain() -> DataflowGraph:
    return fold(lower(networks.vgg_small((8, 8, 6, 9, 8, 8), 8)), Target(fps=8000)).graph


def residual() -> DataflowGraph:
    return fold(lower(networks.resnet18((8, 12), size=8, blocks=1)), Target(fps=8000)).graph


def test_a_single_matrix_takes_its_cycles() -> None:
    design = lower(networks.mlp(12, (), classes=6))
    report = simulate_streams(design)
    assert report.interval == design.bottleneck.cycles == 72
    assert report.steady
    assert report.activity["MVAU_hls_0"].busy >= 4 * 72


@pytest.mark.parametrize("make", [chain, residual])
def test_sized_fifos_reach_the_estimated_interval(make: object) -> None:
    design = make()  # type: ignore[operator]
    sized = size_fifos(design)
    assert sized.report.interval == design.bottleneck.cycles
    deep = [edge for edge in sized.graph.edges if edge.depth > 2]
    assert 0 < len(deep) < len(design.edges)
    # the depths are needed: with half of the deepest one the pipeline slows down or stops
    deepest = max(deep, key=lambda edge: edge.depth)
    cut = {edge: edge.depth // 2 if edge == deepest else edge.depth for edge in sized.graph.edges}
    with suppress(Deadlock):
        assert simulate_streams(sized.graph, depths=cut).interval > sized.report.interval


def test_residual_branches_deadlock_without_depth_and_say_so() -> None:
    with pytest.raises(Deadlock, match="cannot send") as caught:
        simulate_streams(residual())
    assert "size_fifos" in caught.value.remedy


def test_shallow_fifos_cost_throughput_and_show_as_stalls() -> None:
    design = chain()
    shallow = simulate_streams(design)
    deep = simulate_streams(design, depths=dict.fromkeys(design.edges, 4096))
    assert shallow.interval > deep.interval == design.bottleneck.cycles
    assert max(activity.blocked for activity in shallow.activity.values()) > 0


def test_windows_of_every_kind_keep_their_estimates() -> None:
    net = networks.NetworkBuilder((4, 9, 9))
    x = net.threshold(net.conv("input", 6, stride=2))
    x = net.threshold(net.conv(x, 5, kernel=1, stride=2, pad=0))
    design = lower(net.graph(net.sum_pool(x)))
    unlimited = dict.fromkeys(design.edges, 10000)
    assert simulate_streams(design, depths=unlimited).interval == design.bottleneck.cycles


def test_rtl_agrees_to_the_cycle() -> None:
    rtl = pytest.importorskip("etb_hw.rtl")
    graph = networks.resnet18((4, 6), size=6, blocks=1)
    design = size_fifos(fold(lower(graph), Target(fps=20_000)).graph).graph
    frames = np.random.default_rng(0).integers(0, 256, (4, *design.input_stream.shape))
    try:
        run = rtl.simulate(design, frames)
    except MissingTool as missing:
        pytest.skip(str(missing))
    report = simulate_streams(design)
    assert run.ii == report.interval
    assert run.latency == report.latency
    assert tuple(np.diff(run.frame_ends)) == tuple(np.diff(report.ends))


def test_depths_travel_with_the_design() -> None:
    design = chain()
    edges = tuple(replace(edge, depth=64) for edge in design.edges)
    deeper = replace(design, edges=edges)
    assert simulate_streams(deeper).interval <= simulate_streams(design).interval
