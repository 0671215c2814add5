"""One hardware for all networks of a shape, and what does not fit it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from onnx import helper, numpy_helper

from etb_hw.config import BuildConfig
from etb_hw.dataflow import Target, fold
from etb_hw.dataflow.design import design
from etb_hw.dataflow.finn import apply_folding_config
from etb_hw.dataflow.finn.onnx_reader import from_onnx
from etb_hw.dataflow.finn.onnx_writer import to_onnx
from etb_hw.dataflow.load_image import image_of_other, image_size, is_writable, load_image
from etb_hw.dataflow.lower import lower
from etb_hw.dataflow.models import resource_model
from etb_hw.errors import BadInput, InfeasibleTarget
from etb_hw.integer import ChannelAffine, Dense, IntegerGraph
from etb_hw.integer.datatype import DataType
from etb_hw.rtl import generate
from hw_tests.board.reloading import hardware, network
from hw_tests.networks import POOL, NetworkBuilder, conv_net, mlp

DESIGN = hardware(network(0))


def with_node(graph: IntegerGraph, name: str, **changes: object) -> IntegerGraph:
    nodes = tuple(replace(node, **changes) if node.name == name else node for node in graph.nodes)  # type: ignore[arg-type]
    return replace(graph, nodes=nodes)


def extreme(sign: int) -> IntegerGraph:
    """All weights alike, so that sums reach what they can, and signs that are always the same."""
    graph = network(2)
    for node in graph.nodes:
        if hasattr(node, "weights"):
            graph = with_node(graph, node.name, weights=np.full_like(node.weights, sign))
        if hasattr(node, "thresholds"):
            far = np.full_like(node.thresholds, -sign * 10**6)
            graph = with_node(graph, node.name, thresholds=far)
    return graph


def test_networks_of_a_shape_differ_in_their_memories_only() -> None:
    first = generate(DESIGN)
    for graph in (network(1), extreme(1), extreme(-1)):
        other = generate(hardware(graph))
        assert other.keys() == first.keys()
        differ = {name for name in first if first[name] != other[name]}
        assert differ
        assert all(name.endswith(".mem") for name in differ)
    assert generate(lower(network(0))) != generate(lower(network(1)))


def test_an_image_holds_every_word_of_every_writable_memory() -> None:
    image, at = load_image(DESIGN), 0
    for block in DESIGN.blocks:
        for memory in block.rtl().memories:
            size = -(-memory.width // 8)
            for word in memory.words:
                assert int.from_bytes(image[at : at + size], "little") == word
                at += size
    assert at == len(image) == image_size(DESIGN)


def test_what_is_paid_for_is_what_is_built() -> None:
    """Each link of the chain that costs something is a writable memory of the RTL, and the reverse."""
    for made in (DESIGN, hardware(network(0), folded=False), hardware(network(0), registers=True)):
        assert is_writable(made)
        for block in made.blocks:
            built = [(m.width, len(m.words)) for m in block.rtl().memories if m.writable]
            assert [(link.width, link.depth) for link in block.links] == built
    assert not is_writable(lower(network(0)))


def test_a_file_of_the_design_makes_the_same_image() -> None:
    again = from_onnx(to_onnx(DESIGN))
    assert load_image(again) == load_image(DESIGN)
    assert generate(again) == generate(DESIGN)


def test_another_folding_makes_the_same_image() -> None:
    image = image_of_other(DESIGN, hardware(network(1), folded=False))
    assert image == load_image(hardware(network(1)))
    assert image == image_of_other(DESIGN, hardware(network(1), registers=True))
    searched = [
        design(network(seed), BuildConfig(target_fps=fps, weights="writable", memory_registers=fps > 40_000))
        for seed, fps in ((0, 30_000), (1, 60_000))
    ]
    package, other = (made.graph for made in searched)
    assert {block.choices["SIMD"] for block in package.blocks if "SIMD" in block.choices} != {
        block.choices["SIMD"] for block in other.blocks if "SIMD" in block.choices
    }
    changed = image_of_other(package, other)
    assert len(changed) == len(load_image(package))
    assert changed != load_image(package)


def refused(other: IntegerGraph, layer: str, reason: str) -> None:
    with pytest.raises(BadInput, match=reason) as caught:
        image_of_other(DESIGN, hardware(other, folded=False))
    assert layer in str(caught.value)
    assert "remedy" in str(caught.value)


def test_a_network_of_another_shape_is_refused_by_its_layer() -> None:
    refused(network(1, hidden=4), "conv1", r"has a stream of 3x3x4 INT7, the package's is 3x3x6 INT7")
    refused(network(1, bias=False), "bias", "the network has no such block")
    one = network(1)
    few = with_node(one, "fc0", weight_dtype=DataType.integer(2))
    refused(few, "fc0", r"has a stream of 5 INT8, the package's is 5 INT7")
    stride = with_node(with_node(one, "conv1", stride=(2, 2)), "conv2", stride=(2, 2))
    with pytest.raises(BadInput):
        image_of_other(DESIGN, hardware(stride, folded=False))
    with pytest.raises(BadInput, match="the network: was built with fixed weights"):
        image_of_other(DESIGN, lower(one))
    with pytest.raises(BadInput, match="the package: has fixed weights"):
        image_of_other(lower(one), DESIGN)


def test_factors_are_fixed_and_have_to_be_the_same() -> None:
    def scaled(factor: int, seed: int) -> IntegerGraph:
        net = NetworkBuilder((4,), seed)
        x = net.dense("input", 3)
        node = ChannelAffine(
            name="scale", inputs=(x,), mul=np.array([factor, 3, 1]), add=np.array([seed, 0, 0])
        )
        return net.graph(net._add(node, 3))

    package = lower(scaled(2, 0), writable=True)
    assert image_of_other(package, lower(scaled(2, 1), writable=True)) != load_image(package)
    with pytest.raises(
        BadInput, match=r"scale .*: its parameters differ from the package's, where they are fixed"
    ):
        image_of_other(package, lower(scaled(1, 1), writable=True))


def test_a_constant_beyond_the_memory_is_refused() -> None:
    far = with_node(network(1), "bias", add=np.array([0, 0, 1000, 0, 0]))
    beyond = r"bias: adds 1000, and a memory for any network holds -64 to 63 here"
    with pytest.raises(BadInput, match=beyond):
        hardware(far)
    model = to_onnx(DESIGN)
    tensor = next(t for t in model.graph.initializer if "Channelwise" in t.name)
    tensor.CopyFrom(numpy_helper.from_array(np.float32([[0], [0], [1000], [0], [0]]), tensor.name))
    with pytest.raises(BadInput, match=beyond):
        from_onnx(model)


def test_several_pixels_a_cycle_share_constants() -> None:
    """Refused, by layer, wherever they may be asked for: a rate, a folding configuration, a file."""
    graph = conv_net([8, 6, POOL], [], (3, 8, 8))
    fixed, writable = lower(graph), lower(graph, writable=True)
    assert fold(writable, Target(cycles=100)).graph.bottleneck.cycles == 100
    wide = fold(fixed, Target(cycles=50)).graph
    with pytest.raises(InfeasibleTarget, match=r"\(conv0\) takes 64 cycles a frame even") as caught:
        fold(writable, Target(cycles=50))
    assert caught.value.remedy.endswith(
        "or build it with fixed weights, which several pixels a cycle can share"
    )
    with pytest.raises(InfeasibleTarget) as caught:
        fold(fixed, Target(cycles=49))
    assert "fixed" not in caught.value.remedy
    refusal = r"MVAU_hls_0\.M = 2: the weights of conv0 are writable"
    config = {"MVAU_hls_0": {"M": 2, "PE": 8, "SIMD": 27}}
    assert apply_folding_config(fixed, config).graph["MVAU_hls_0"].fold["M"] == 2
    with pytest.raises(BadInput, match=refusal) as bad:
        apply_folding_config(writable, config)
    assert bad.value.remedy == "give M = 1, or build it with fixed weights"
    with pytest.raises(BadInput, match=refusal):
        wide["MVAU_hls_0"].loadable()
    model = to_onnx(wide)
    for node in model.graph.node:
        if node.name == "MVAU_hls_0":
            node.attribute.append(helper.make_attribute("etb_writable", 1))
    with pytest.raises(BadInput, match=refusal):
        from_onnx(model)


def test_what_writable_weights_do_not_go_with() -> None:
    graph = network(0)
    with pytest.raises(BadInput, match="leave pad_channels"):
        design(graph, BuildConfig(target_fps=1000, weights="writable", pad_channels=True))
    with pytest.raises(BadInput, match="finn builds"):
        design(graph, BuildConfig(target_fps=1000, weights="writable", builder="finn"))


@pytest.mark.parametrize("family", ["xc7", "ecp5"])
def test_estimates_know_what_it_costs(family: str) -> None:
    model = resource_model("calibrated", family)
    graph = mlp(64, (32, 32))
    fixed, writable = (
        design(graph, BuildConfig(target_fps=100_000, weights=kind)).graph.cost(model)  # type: ignore[arg-type]
        for kind in ("fixed", "writable")
    )
    assert 1.1 * fixed.lut < writable.lut
    assert 1.1 * fixed.ff < writable.ff


def test_types_hold_for_any_weights() -> None:
    """Sums of the widest weights and thresholds fit, and are reached."""
    graph = replace(network(0), any_weights=True)
    for sign in (1, -1):
        for name, kind in extreme(sign).types.items():
            wide = graph.types[name]
            assert min(wide.low) <= min(kind.low)
            assert max(wide.high) >= max(kind.high)
    dense = next(node for node in graph.nodes if isinstance(node, Dense))
    assert graph.types[dense.name].dtype == DataType.smallest(-54, 54)


def test_types_hold_wherever_thresholds_are() -> None:
    """A pool adds signs up: where all are the same now, others may not be."""
    net = NetworkBuilder((2, 4, 4), 0)
    graph = net.graph(net.sum_pool(net.threshold(net.conv("input", 3))))
    never = with_node(graph, "conv0_act", thresholds=np.full((3, 1), 10**6))
    assert never.types[never.output].dtype == DataType.smallest(-16, -16)
    for one in (graph, never):
        assert replace(one, any_weights=True).types[one.output].dtype == DataType.smallest(-16, 16)
