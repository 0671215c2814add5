"""Well-known topologies: checked before training, evolved, cut, and the same bits down to hardware blocks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import etb_hw as etb
from etb_hw.config import BuildConfig
from etb_hw.dataflow import lower
from etb_hw.dataflow.design import design
from etb_hw.flow.proofs import prove_dataflow
from etb_hw.integer import IntegerGraph
from etb_hw.integer.packed import PackedExecutor
from etb_hw.integer.reference import execute as reference
from etb_hw.qonnx_io import execute, import_model
from etb_hw.rtl import simulate
from hw_tests.evolution.architectures import ARCHITECTURES

STEPS = 12


def brought(name: str, folder: Path) -> tuple[IntegerGraph, NDArray[np.int64], NDArray[np.int64]]:
    """What a user evolves and exports, as integers; frames, and what every executor makes of them."""
    known = ARCHITECTURES[name]
    torch.manual_seed(0)
    x = torch.randint(0, 17, (32, *known.shape)).float()
    model = etb.prepare(known.build(), x[:2], additions=known.additions)
    etb.check(model)
    evolution = etb.Evolution(model, target=0.3, steps=STEPS)
    optimizer = torch.optim.Adam(model.parameters(), 0.03)
    for _ in range(STEPS):
        optimizer.zero_grad()
        (model(x) - 1).abs().mean().backward()
        optimizer.step()
        evolution.step()
    slim = etb.slim(model, x)
    assert evolution.pruned > 0.25
    etb.export(slim, folder / "m.onnx", input_dtype="uint8")
    graph = import_model(folder / "m.onnx")
    frames = np.random.default_rng(0).integers(0, 256, (4, *graph.input.shape))
    integers = reference(graph, frames)
    floats = execute(folder / "m.onnx", frames.reshape(4, *known.shape))
    found = graph.dequantize(integers).reshape(floats.shape)
    np.testing.assert_allclose(found, floats, rtol=1e-4, atol=1e-5)  # some sums are floats, which round
    assert np.array_equal(PackedExecutor(graph).run(frames).reshape(integers.shape), integers)
    return graph, frames, integers


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_known_topology_goes_all_the_way(name: str, tmp_path: Path) -> None:
    graph, frames, _ = brought(name, tmp_path)
    prove_dataflow(lower(graph), graph, frames)


@pytest.mark.parametrize("name", ["U-Net", pytest.param("MobileNetV2", marks=pytest.mark.slow)])
def test_down_to_rtl(name: str, tmp_path: Path, simulator_cache: Path) -> None:
    graph, frames, integers = brought(name, tmp_path)
    made = design(graph, BuildConfig(target_fps=1000)).graph
    run = simulate(made, np.moveaxis(frames[:2], 1, -1), cache_dir=simulator_cache)
    pixels = np.moveaxis(integers[:2].reshape(2, integers.shape[1], -1), 1, -1)
    assert np.array_equal(run.outputs.reshape(pixels.shape), pixels)
