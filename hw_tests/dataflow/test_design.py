"""From a flow file's build section to a design that runs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from etb_hw.config import BuildConfig
from etb_hw.dataflow import finn_model
from etb_hw.dataflow.design import design, quality
from etb_hw.dataflow.simulation import simulate_streams
from etb_hw.errors import BadInput, InfeasibleTarget
from hw_tests import networks


def test_a_residual_network_gets_fifos_that_keep_its_rate() -> None:
    graph = networks.resnet18((8, 12), size=8, blocks=1)
    built = design(graph, BuildConfig(target_fps=5_000, device="Pynq-Z1"))
    assert built.graph.fps >= 5_000
    assert simulate_streams(built.graph).interval <= built.graph.bottleneck.cycles


def test_edges_without_depth_cost_no_fifo() -> None:
    graph = design(networks.mlp(36, (8, 8)), BuildConfig(target_fps=1_000)).graph
    plain = replace(graph, edges=tuple(replace(edge, depth=0) for edge in graph.edges))
    assert not plain.fifos
    assert plain.cost(finn_model) == plain.block_cost(finn_model)
    assert len(graph.fifos) == sum(edge.depth > 0 for edge in graph.edges)
    assert graph.cost(finn_model).lut > graph.block_cost(finn_model).lut


def test_a_small_device_names_the_limit_and_the_nearest_rate() -> None:
    graph = networks.vgg_small((32, 32, 48, 48, 64, 64), 16)
    wish = BuildConfig(target_fps=20_000, device="Zybo-Z7-10", max_utilization=0.6, resource_model="finn")
    with pytest.raises(InfeasibleTarget, match="xc7z010") as caught:
        design(graph, wish)
    assert "frames/s" in caught.value.remedy


def test_neither_rate_nor_device() -> None:
    with pytest.raises(BadInput, match="device"):
        design(networks.mlp(36, (8,)), BuildConfig())


def test_a_users_folding_is_applied_and_checked(tmp_path: Path) -> None:
    graph = networks.vgg_small((8, 8, 12, 12, 16, 16), 8)
    path = tmp_path / "folding_config.json"
    path.write_text(json.dumps({"Defaults": {}, "MVAU_hls_0": {"PE": 8, "SIMD": 9}, "MVAU_9": {"PE": 1}}))
    built = design(graph, BuildConfig(folding_config=str(path)))
    assert built.graph["MVAU_hls_0"].fold == {"PE": 8, "SIMD": 9}
    assert list(quality(built)["unmatched_names"]) == ["MVAU_9"]
    with pytest.raises(InfeasibleTarget, match="MVAU_hls_1"):
        design(graph, BuildConfig(folding_config=str(path), target_fps=1e5))
    with pytest.raises(InfeasibleTarget, match="lut"):
        design(graph, BuildConfig(folding_config=str(path), device="Zybo-Z7-10", max_utilization=0.05))
