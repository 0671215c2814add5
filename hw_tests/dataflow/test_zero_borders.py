"""The border of zeros that Brevitas and PyTorch put around signs, in every engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from etb_hw.config import BuildConfig
from etb_hw.dataflow import DataflowGraph, finn, lower
from etb_hw.dataflow.blocks.border_mvau import BorderMvau
from etb_hw.dataflow.blocks.mvau import Mvau
from etb_hw.dataflow.blocks.padding import Padding
from etb_hw.dataflow.blocks.thresholding import Thresholding
from etb_hw.dataflow.design import design
from etb_hw.flow.proofs import prove_dataflow, prove_packed, prove_rtl, random_inputs
from etb_hw.integer import BIPOLAR, Conv, IntegerGraph
from etb_hw.integer.packed import PackedExecutor
from hw_tests.networks import NetworkBuilder


def zero_padded(graph: IntegerGraph) -> IntegerGraph:
    nodes = (replace(n, pad_value=0) if isinstance(n, Conv) else n for n in graph.nodes)
    return replace(graph, nodes=tuple(nodes))


def chain() -> IntegerGraph:
    """Quantizer, pool and convolution; the pool stands between a quantizer and a border."""
    net = NetworkBuilder((3, 8, 8))
    x = net.threshold(net.conv("input", 6))
    x = net.pool(net.threshold(net.conv(x, 5, stride=1)))
    x = net.threshold(net.conv(x, 7, stride=2))
    return zero_padded(net.graph(net.dense(net.flatten(x), 4)))


def residual() -> IntegerGraph:
    """The quantizer has a second reader, which stays on one bit."""
    net = NetworkBuilder((2, 6, 6))
    x = net.threshold(net.conv("input", 4))
    y = net.threshold(net.conv(x, 4))
    x = net.threshold(net.add(x, y))
    return zero_padded(net.graph(net.dense(net.flatten(x), 3)))


def signs() -> IntegerGraph:
    """The network's input itself is one bit."""
    net = NetworkBuilder((2, 5, 5), dtype=BIPOLAR)
    x = net.threshold(net.conv("input", 4))
    return zero_padded(net.graph(net.dense(net.flatten(x), 3)))


@pytest.mark.parametrize("builder", ["etb_hw", "finn"])
@pytest.mark.parametrize("make", [chain, residual, signs])
def test_every_engine_gives_the_bits_of_the_reference(
    make: Callable[[], IntegerGraph], builder: Literal["etb_hw", "finn"], tmp_path: Path
) -> None:
    graph = make()
    x = random_inputs(graph, 6)
    assert prove_packed(PackedExecutor(graph), x).status == "equal"
    made = design(graph, BuildConfig(target_fps=100_000, builder=builder)).graph
    assert any(isinstance(block, BorderMvau) for block in made.blocks) == (builder == "etb_hw")
    assert prove_dataflow(made, graph, x).status == "equal"
    finn.write(made, tmp_path)
    assert prove_dataflow(finn.read(tmp_path / "dataflow.onnx"), graph, x).status == "equal"
    if builder == "etb_hw":
        proof, _ = prove_rtl(made, graph, x[:4], stalls=0.2)
        assert proof.status == "equal"


def widths(lowered: DataflowGraph) -> list[str]:
    assert not any(isinstance(block, Thresholding) for block in lowered.blocks)
    return [block.inputs[0].dtype.name for block in lowered.blocks if isinstance(block, Mvau)]


def test_an_even_number_of_channels_stays_on_one_bit() -> None:
    """Half of the pairs of a border's tap agree; of five channels there is no half."""
    assert widths(lower(chain())) == ["UINT8", "BIPOLAR", "TERNARY", "BIPOLAR"]


def test_quantizers_widen_where_nobody_else_reads_them() -> None:
    assert widths(lower(chain(), builder="finn")) == ["UINT8", "TERNARY", "TERNARY", "BIPOLAR"]


def test_whole_windows_stay_on_one_bit(tmp_path: Path) -> None:
    """Taps at a low rate, whole windows at a pixel a cycle and at two."""
    graph = chain()
    x = random_inputs(graph, 6)
    forms = []
    for fps in (20_000, 900_000, 2_000_000):
        made = design(graph, BuildConfig(target_fps=fps)).graph
        (block,) = (block for block in made.blocks if isinstance(block, BorderMvau))
        forms.append((block.simd == block.mw, block.m))
        assert prove_dataflow(made, graph, x).status == "equal"
        finn.write(made, tmp_path)
        again = finn.read(tmp_path / "dataflow.onnx")
        assert again[block.name].fold == block.fold
        assert prove_dataflow(again, graph, x).status == "equal"
    assert forms == [(False, 1), (True, 1), (True, 2)]


def test_two_pixels_a_cycle_in_rtl() -> None:
    """With a shortcut beside the border; a pixel a cycle takes 64 cycles."""
    graph = residual()
    made = design(graph, BuildConfig(target_fps=3_000_000)).graph
    assert {block.m for block in made.blocks if isinstance(block, BorderMvau)} == {2}
    for stalls in (0.0, 0.2):
        proof, run = prove_rtl(made, graph, random_inputs(graph, 6), stalls=stalls)
        assert proof.status == "equal"
        assert stalls or run.ii == made.bottleneck.cycles == 32


def test_writable_weights_have_one_set_of_thresholds() -> None:
    """Whole windows have one for each kind of border: weights that are written take two bits a value."""
    graph = chain()
    made = design(graph, BuildConfig(target_fps=900_000, weights="writable")).graph
    assert not any(isinstance(block, BorderMvau) for block in made.blocks)
    assert prove_dataflow(made, graph, random_inputs(graph, 6)).status == "equal"


def test_its_own_folding_is_applied_again(tmp_path: Path) -> None:
    graph = chain()
    made = design(graph, BuildConfig(target_fps=150_000)).graph
    finn.write(made, tmp_path)
    again = design(graph, BuildConfig(folding_config=str(tmp_path / "auto_folding_config.json")))
    assert again.config is not None
    assert not again.config.unmatched
    assert {b.name: b.fold for b in again.graph.blocks} == {b.name: b.fold for b in made.blocks}


def test_a_second_reader_keeps_its_bit() -> None:
    lowered = lower(residual(), builder="finn")
    widened = [block for block in lowered.blocks if isinstance(block, Thresholding)]
    assert len(widened) == 2  # the copy with a border, and the quantizer of the sum
    padded = [block.inputs[0].dtype.name for block in lowered.blocks if isinstance(block, Padding)]
    assert padded == ["UINT8", "TERNARY"]
    assert np.sum([block.outputs[0].dtype == BIPOLAR for block in lowered.blocks]) >= 2
