"""A network whose output is an image: down, up again by repeated pixels, a skip; from torch to RTL."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from brevitas.nn import QuantConv2d, QuantIdentity
from brevitas.quant.binary import SignedBinaryActPerTensorConst, SignedBinaryWeightPerTensorConst
from torch import nn

from etb_hw.dataflow import Target, fold, lower
from etb_hw.dataflow.blocks import Upsample
from etb_hw.dataflow.finn.onnx_reader import from_onnx
from etb_hw.dataflow.finn.onnx_writer import to_onnx
from etb_hw.dataflow.simulation import size_fifos
from etb_hw.integer import BIPOLAR
from etb_hw.integer.packed import PackedExecutor
from etb_hw.integer.reference import execute as reference
from etb_hw.qonnx_io import export_model, import_model
from etb_hw.rtl import simulate


class Segmenter(nn.Module):
    """Down and up again, with a skip: pixels repeated in front of a quantizer, and behind one."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        sign = {"act_quant": SignedBinaryActPerTensorConst, "scaling_const": 1.0}
        weight = {
            "weight_quant": SignedBinaryWeightPerTensorConst,
            "weight_scaling_const": 0.5,
            "bias": False,
        }
        self.first = nn.Sequential(
            QuantConv2d(2, 6, 3, padding=1, **weight), nn.BatchNorm2d(6), QuantIdentity(**sign)
        )
        self.down = nn.MaxPool2d(2)
        self.inner = nn.Sequential(
            QuantConv2d(6, 6, 3, padding=1, **weight), nn.Upsample(scale_factor=2), nn.BatchNorm2d(6),
            QuantIdentity(**sign),
        )  # fmt: skip
        self.last = nn.Sequential(
            nn.UpsamplingNearest2d(scale_factor=2), QuantConv2d(12, 3, 3, padding=1, **weight)
        )
        for layer in self.modules():
            if isinstance(layer, nn.BatchNorm2d):
                assert layer.running_mean is not None
                layer.running_mean.normal_(0, 5)
                layer.weight.data.normal_()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skip = self.first(x)
        both = torch.cat([skip, self.inner(self.down(skip))], dim=1)
        made: torch.Tensor = self.last(both)
        return made


def test_a_segmentation_network_from_torch_to_rtl(tmp_path: Path, simulator_cache: Path) -> None:
    network = Segmenter().eval()
    export_model(network, tmp_path / "m.onnx", (2, 4, 6))
    graph = import_model(tmp_path / "m.onnx")
    x = np.random.default_rng(1).integers(0, 256, (3, 2, 4, 6))
    expected = reference(graph, x)
    assert expected.shape == (3, 3, 8, 12)
    with torch.no_grad():
        np.testing.assert_array_equal(graph.original(expected), network(torch.from_numpy(x).float()).numpy())
    np.testing.assert_array_equal(PackedExecutor(graph).run(x), expected)
    lowered = lower(graph)
    # the quantizer comes first: signs are repeated, not sums
    assert [block.dtype for block in lowered.blocks if isinstance(block, Upsample)] == [BIPOLAR] * 2
    design = size_fifos(fold(lowered, Target(cycles=500)).graph).graph
    frames = np.moveaxis(x, 1, -1)
    np.testing.assert_array_equal(np.moveaxis(design.execute(frames), -1, 1), expected)
    read = from_onnx(to_onnx(design))
    assert {b.name: b.fold for b in read.blocks} == {b.name: design[b.name].fold for b in read.blocks}
    run = simulate(design, frames, cache_dir=simulator_cache)
    found = run.outputs.reshape(3, 8, 12, 3)
    np.testing.assert_array_equal(np.moveaxis(found, -1, 1), expected)
