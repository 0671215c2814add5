"""Published networks load, mean the same bits as integer graphs, and are as accurate as they say."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from etb_hw import data, qonnx_io, simulate
from etb_hw.config import load_flow
from etb_hw.errors import BadInput
from etb_hw.pruning import deployable, load_checkpoint
from etb_hw.training import logits

PUBLISHED = sorted((Path(__file__).parents[2] / "flows/pretrained").glob("*/checkpoint.safetensors"))
IMAGES = 1000


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.parent.name)
def test_a_published_network_keeps_its_promise(path: Path, tmp_path: Path) -> None:
    hard, notes = load_checkpoint(path)
    module = deployable(hard)
    qonnx_io.export_model(module, tmp_path / "model.onnx", module.input_shape)
    graph = qonnx_io.import_model(tmp_path / "model.onnx")
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (8, *hard.spec.input_shape), dtype=np.uint8)
    expected = logits(hard, torch.from_numpy(noise)).numpy()
    same = simulate.simulate(graph, noise, expected=expected).agreement
    assert same is not None
    assert same.mismatches == 0
    flow = load_flow(path.with_name("flow.json"))
    try:
        dataset = data.load(flow.data)
    except BadInput as missing:
        pytest.skip(f"needs the data: {missing}")
    x, y = dataset.test_x[:IMAGES], dataset.test_y[:IMAGES]
    found = simulate.simulate(graph, x, labels=y).accuracy
    assert found is not None
    promised = notes["accuracy"]
    spread = math.sqrt(promised * (1 - promised) * (1 / len(y) - 1 / len(dataset.test_y)))
    assert abs(found - promised) <= 4 * spread + 1e-9
