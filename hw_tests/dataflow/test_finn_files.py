"""FINN's files: names, keys, types, and an ONNX graph that says what FINN's own would."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from etb_hw.config import BuildConfig
from etb_hw.dataflow import (
    DataflowGraph,
    Effort,
    Target,
    find_device,
    finn,
    finn_model,
    fold,
    lower,
    set_folding,
)
from etb_hw.dataflow.blocks import Concat, WindowPool
from etb_hw.dataflow.blocks.mvau import Mvau
from etb_hw.dataflow.design import design as configured
from etb_hw.dataflow.graph import Port
from etb_hw.dataflow.resources import bram_18k
from etb_hw.errors import BadInput, InfeasibleTarget
from etb_hw.integer import BIPOLAR, IntegerGraph
from etb_hw.report.design_table import block_rows
from hw_tests import networks


@pytest.fixture(scope="module")
def design() -> DataflowGraph:
    return fold(
        lower(networks.vgg_small((8, 12, 16, 10, 13, 7), 8), label_select=True), Target(fps=10_000)
    ).graph


def test_files_and_their_keys(design: DataflowGraph, tmp_path: Path) -> None:
    finn.write(design, tmp_path)
    read = {path.name: json.loads(path.read_text()) for path in tmp_path.rglob("*.json")}
    config = read["auto_folding_config.json"]
    assert config["Defaults"] == {}
    assert config["MVAU_hls_0"] == {
        "PE": design["MVAU_hls_0"].fold["PE"],
        "SIMD": design["MVAU_hls_0"].fold["SIMD"],
        "ram_style": getattr(design["MVAU_hls_0"], "ram_style"),  # noqa: B009 (of some blocks only)
        "resType": "lut",
        "mem_mode": "internal_decoupled",
        "runtime_writeable_weights": 0,
    }
    resources = read["estimate_layer_resources.json"]
    assert set(resources["MVAU_hls_0"]) == {
        "BRAM_18K", "BRAM_efficiency", "LUT", "URAM", "URAM_efficiency", "DSP",
    }  # fmt: skip
    assert set(resources["total"]) == {"BRAM_18K", "LUT", "URAM", "DSP"}
    assert all(isinstance(value, float) for value in resources["total"].values())
    assert resources["total"]["LUT"] == design.cost(finn_model).lut
    performance = read["estimate_network_performance.json"]
    assert performance["max_cycles"] == max(read["estimate_layer_cycles.json"].values())
    assert performance["estimated_throughput_fps"] == pytest.approx(1e8 / performance["max_cycles"])
    counts = read["op_and_param_counts.json"]
    assert counts["MVAU_hls_0"]["op_mac_2bx8b"] == 8 * 27 * 64


def test_onnx_nodes_carry_finn_attributes(design: DataflowGraph) -> None:
    model = finn.to_onnx(design)
    onnx.checker.check_model(model)
    ops = [node.op_type for node in model.graph.node]
    assert ops[:4] == ["FMPadding_rtl", "ConvolutionInputGenerator_rtl", "MVAU_hls", "FMPadding_rtl"]
    assert not any(op.startswith("StreamingDataWidthConverter") for op in ops)
    node = next(node for node in model.graph.node if node.name == "MVAU_hls_1")
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    assert node.domain == "finn.custom_op.fpgadataflow.hls"
    assert attributes["binaryXnorMode"] == 1
    assert attributes["inputDataType"] == b"BINARY"
    assert attributes["numInputVectors"] == [1, 8, 8]
    assert attributes["backend"] == b"fpgadataflow"


def test_signs_that_meet_pixels_are_stored_in_two_bits_as_finn_has_them(design: DataflowGraph) -> None:
    """FINN widens such weights to INT2: memories are counted for both bits; they come back as signs."""
    model = finn.to_onnx(design)
    types = {
        node.name: next(a.s.decode() for a in node.attribute if a.name == "weightDataType")
        for node in model.graph.node
        if node.op_type == "MVAU_hls"
    }
    assert types.pop("MVAU_hls_0") == "INT2"
    assert set(types.values()) == {"BINARY"}
    first = lower(networks.mlp(512, (256,)))["MVAU_hls_0"].folded({"PE": 8, "SIMD": 32})
    assert isinstance(first, Mvau)
    first = replace(first, ram_style="block")
    one_bit = bram_18k(8 * 32, first.depth)
    assert (first.resources().bram_18k, one_bit) == (15, 8)
    (again,) = (block for block in finn.from_onnx(model).blocks if block.name == "MVAU_hls_0")
    assert isinstance(again, Mvau)
    assert again.weight_dtype == BIPOLAR


def test_xnor_thresholds_in_the_file_count_matches(design: DataflowGraph) -> None:
    model = finn.to_onnx(design)
    arrays = {init.name: numpy_helper.to_array(init) for init in model.graph.initializer}
    weights, thresholds = arrays["MVAU_hls_1_weights"], arrays["MVAU_hls_1_thresholds"]
    bits = np.random.default_rng(0).integers(0, 2, (50, weights.shape[0]))
    matches = bits @ weights + (1 - bits) @ (1 - weights)
    expected = design["MVAU_hls_1"].execute(2 * bits[:, None, None] - 1)[0][:, 0, 0]
    assert np.array_equal(2 * (matches >= thresholds[:, 0]) - 1, expected)


def test_rows_of_the_table(design: DataflowGraph) -> None:
    table = block_rows(design)
    assert [row.name for row in table] == [block.name for block in design.blocks]
    assert max(row.share for row in table) == 1


def test_devices_by_board_and_part() -> None:
    assert find_device("Pynq-Z1").resources.lut == find_device("xc7z020clg400-1").resources.lut == 53_200
    with pytest.raises(BadInput, match="Pynq"):
        find_device("pink-z1")


@pytest.mark.parametrize(
    "graph",
    [
        networks.vgg_small((8, 9, 10, 11, 13, 7), 8),
        networks.resnet18((8, 12), size=8, blocks=1),
        networks.mlp(36, (12, 7)),
    ],
    ids=["conv", "residual", "mlp"],
)
def test_read_is_the_inverse_of_write(graph: IntegerGraph, tmp_path: Path) -> None:
    design = fold(lower(graph, label_select=True, clk_ns=5.0), Target(fps=10_000)).graph
    design = replace(design, edges=tuple(replace(edge, depth=7) for edge in design.edges))
    finn.write(design, tmp_path)
    back = finn.read(tmp_path / "dataflow.onnx")
    assert [block.name for block in back.blocks] == [block.name for block in design.blocks]
    assert set(back.edges) == set(design.edges)
    assert back.clk_ns == 5.0
    assert finn.layer_resources(back) == finn.layer_resources(design)
    assert finn.layer_cycles(back) == finn.layer_cycles(design)
    x = np.random.default_rng(0).integers(0, 256, (2, *design.input_stream.shape))
    assert np.array_equal(back.execute(x), design.execute(x))


def test_folding_config_by_node_name(design: DataflowGraph) -> None:
    config = finn.folding_config(design)
    same = finn.apply_folding_config(lower_again(), config).graph
    assert finn.layer_cycles(same) == finn.layer_cycles(design)
    user = {
        "Defaults": {"SIMD": [1, ["ConvolutionInputGenerator"]]},
        "MVAU_hls_0": {"PE": 4, "SIMD": 3, "ram_style": "distributed", "resType": "lut"},
        "MVAU_hls_77": {"PE": 2},
        "MatrixVectorActivation_0": {"PE": 2},
    }
    applied = finn.apply_folding_config(design, user)
    assert applied.graph["MVAU_hls_0"].fold == {"PE": 4, "SIMD": 3}
    assert set(applied.unmatched) == {"MVAU_hls_77", "MatrixVectorActivation_0"}
    assert str(applied.unmatched["MVAU_hls_77"]).startswith("MVAU_hls_")
    assert ("MVAU_hls_0", "resType") in applied.ignored
    assert "MVAU_hls_1" in applied.unmentioned
    with pytest.raises(BadInput, match=r"MVAU_hls_0\.PE = 5") as caught:
        finn.apply_folding_config(design, {"MVAU_hls_0": {"PE": 5}})
    assert "[1, 2, 4, 8]" in caught.value.remedy


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"Defaults": {"PE": 4}}, r"Defaults\.PE: is 4"),
        ({"Defaults": {"PE": [4]}}, r"Defaults\.PE: is \[4\]"),
        ({"Defaults": {"PE": [4, "all"]}}, r"Defaults\.PE: is \[4, \"all\"\]"),
        ({"MVAU_hls_0": {"PE": 2.0}}, r"MVAU_hls_0\.PE = 2\.0"),
        ({"MVAU_hls_0": {"PE": True}}, r"MVAU_hls_0\.PE = True"),
        ({"MVAU_hls_0": {"PE": [2]}}, r"MVAU_hls_0\.PE = \[2\]"),
    ],
)
def test_values_of_another_kind_are_refused(
    design: DataflowGraph, config: dict[str, dict[str, object]], named: str
) -> None:
    with pytest.raises(BadInput, match=named):
        finn.apply_folding_config(design, config)


def test_attributes_of_finn_alone_are_told(design: DataflowGraph) -> None:
    config = {"MVAU_hls_0": {"PE": 2, "pumpedMemory": 0, "preferred_impl_style": "hls"}}
    applied = finn.apply_folding_config(design, config)
    assert {key for _, key in applied.ignored} == {"pumpedMemory", "preferred_impl_style"}


def test_blocks_of_several_pixels_are_ours_alone(tmp_path: Path) -> None:
    """They come back from the file, and from a folding configuration; FINN knows no node of their domain."""
    plain = lower(networks.conv_net([8, 6, networks.POOL], [], (3, 8, 8)))
    design = fold(plain, Target(cycles=50)).graph
    model = finn.to_onnx(design)
    own = {node.name for node in model.graph.node if node.domain == "etb_hw.dataflow"}
    assert own == {block.name for block in design.blocks if "M" in block.fold} != set()
    back = finn.from_onnx(model)
    assert [(b.name, b.fold) for b in back.blocks] == [(b.name, b.fold) for b in design.blocks]
    assert finn.layer_cycles(back) == finn.layer_cycles(design)
    config = finn.folding_config(design)
    assert config["MVAU_hls_0"]["M"] == 2
    assert finn.layer_cycles(finn.apply_folding_config(plain, config).graph) == finn.layer_cycles(design)
    path = tmp_path / "folding_config.json"
    path.write_text(json.dumps(config))
    network = networks.conv_net([8, 6, networks.POOL], [], (3, 8, 8))
    build = BuildConfig(folding_config=str(path), target_fps=2e6)
    assert finn.layer_cycles(configured(network, build).graph) == finn.layer_cycles(design)
    with pytest.raises(BadInput, match=r"MVAU_hls_0\.M = 3") as caught:
        finn.apply_folding_config(plain, {"MVAU_hls_0": {"M": 3}})
    assert "[1, 2, 4, 8]" in caught.value.remedy
    with pytest.raises(BadInput, match="all of each pixel") as caught:
        finn.apply_folding_config(plain, {"MVAU_hls_0": {"M": 2, "PE": 4}})
    assert "PE = 8, SIMD = 27" in caught.value.remedy
    with pytest.raises(InfeasibleTarget, match="even fully unrolled"):
        configured(network, BuildConfig(target_fps=2e6, builder="finn"))


def lower_again() -> DataflowGraph:
    return lower(networks.vgg_small((8, 12, 16, 10, 13, 7), 8), label_select=True)


def test_broken_files_are_named(tmp_path: Path) -> None:
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"no onnx at all")
    with pytest.raises(BadInput, match=r"bad\.onnx"):
        finn.read(bad)
    config = tmp_path / "folding_config.json"
    config.write_text("[1, 2]")
    with pytest.raises(BadInput, match="object"):
        finn.read_folding_config(config)


def test_whole_pixels_of_joined_channels_are_ours_alone() -> None:
    """FINN joins channels by turns: what takes both pixels at once is of our domain, also with M = 1."""
    plain = lower(networks.dense_net())
    design = fold(plain, Target(cycles=100)).graph
    whole = [block for block in design.blocks if isinstance(block, Concat)]
    assert [(block.fold, block.cycles) for block in whole] == [({"SIMD": n}, 64) for n in (12, 12, 18)]
    model = finn.to_onnx(design)
    domains = {node.name: node.domain for node in model.graph.node}
    assert {domains[block.name] for block in whole} == {"etb_hw.dataflow"}
    back = finn.from_onnx(model)
    assert [(b.name, b.fold) for b in back.blocks] == [(b.name, b.fold) for b in design.blocks]
    again = finn.apply_folding_config(plain, finn.folding_config(design)).graph
    assert finn.layer_cycles(again) == finn.layer_cycles(design)
    with pytest.raises(InfeasibleTarget, match="192 cycles a frame even fully unrolled"):
        fold(plain, Target(cycles=100), Effort(pixels=False))
    with pytest.raises(BadInput, match="all of each pixel") as caught:
        finn.apply_folding_config(plain, {whole[0].name: {"M": 2, "SIMD": 4}})
    assert "SIMD = 12" in caught.value.remedy


def test_whole_depthwise_windows_are_ours_alone() -> None:
    """A pool of FINN reads a tap a beat; what reads whole windows, and the windows, are of our domain."""
    plain = lower(networks.depthwise_net())
    design = fold(plain, Target(cycles=50)).graph
    model = finn.to_onnx(design)
    domains = {node.name: node.domain for node in model.graph.node}
    pools = [block for block in design.blocks if isinstance(block, WindowPool)]
    windows = [design[design.driver[Port(pool.name)].source.block] for pool in pools]
    assert [pool.fold for pool in pools] == [{"PE": 36, "M": 2}, {"PE": 36}]
    assert {domains[block.name] for block in (*pools, *windows)} == {"etb_hw.dataflow"}
    back = finn.from_onnx(model)
    assert [(b.name, b.fold) for b in back.blocks] == [(b.name, b.fold) for b in design.blocks]
    again = finn.apply_folding_config(plain, finn.folding_config(design)).graph
    assert finn.layer_cycles(again) == finn.layer_cycles(design)
    with pytest.raises(InfeasibleTarget, match="591 cycles a frame even fully unrolled"):
        fold(plain, Target(cycles=100), Effort(pixels=False))
    with pytest.raises(BadInput, match=r"gives 72 values a beat, and Pool_hls_0.* takes 4"):
        finn.apply_folding_config(design, {pools[0].name: {"PE": 4}})
    theirs = set_folding(design, 600)
    assert finn.layer_cycles(theirs) == finn.layer_cycles(set_folding(plain, 600))
    assert {node.domain for node in finn.to_onnx(theirs).graph.node}.isdisjoint({"etb_hw.dataflow"})
