"""From a flow file's build section to a design that runs."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from etb_hw.cli.build_notes import build_notes
from etb_hw.config import BuildConfig
from etb_hw.dataflow import finn_model
from etb_hw.dataflow.design import design, quality
from etb_hw.dataflow.folding import RateBound
from etb_hw.dataflow.simulation import simulate_streams
from etb_hw.errors import BadInput, InfeasibleTarget
from etb_hw.integer import IntegerGraph
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


def bound_of(network: IntegerGraph, **build: Any) -> RateBound:
    made = design(network, BuildConfig(device="Pynq-Z1", **build))
    assert made.rate_bound is not None
    assert made.rate_bound.cycles == made.graph.bottleneck.cycles
    assert made.rate_bound.block in {block.name for block in made.graph.blocks}
    assert any(made.rate_bound.reason in note for note in build_notes(made))
    assert quality(made)["rate_bound"]["remedy"] == made.rate_bound.remedy
    return made.rate_bound


def test_a_filled_device_says_what_binds_the_rate() -> None:
    """The resource that is short at the next rate, or the block that is unrolled as far as it goes."""
    room = bound_of(networks.conv_net([16, 16, networks.POOL, 24], [10], (3, 12, 12)), max_utilization=0.1)
    assert re.search(r"; [\d,]+ frames/s take [\d,]+ LUT of [\d,]+", room.reason)
    assert "larger device" in room.remedy
    need, has = (int(n.replace(",", "")) for n in re.findall(r"([\d,]+) LUT of ([\d,]+)", room.reason)[0])
    assert has < need
    assert has <= 0.1 * 53_200
    small = networks.conv_net([4, 5], [], (2, 8, 8), pad=0)
    whole = bound_of(small)
    assert "even fully unrolled" in whole.reason
    assert whole.remedy == "a shorter clock period"
    theirs = bound_of(small, builder="finn")
    assert theirs.cycles == 64 > whole.cycles
    assert "our own RTL" in theirs.remedy
    assert design(small, BuildConfig(device="Pynq-Z1", target_fps=1000)).rate_bound is None


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
