"""Few-bit activations are a row of a table: trained, slimmed, saved, exported and mapped like bipolar"""

import numpy as np
import pytest
import torch

from etb_hw import data, qonnx_io
from etb_hw.config import BuildConfig, DataConfig, EvolutionConfig, ModelConfig, TrainingConfig
from etb_hw.dataflow.design import design
from etb_hw.errors import BadInput
from etb_hw.integer import reference
from etb_hw.models import NetSpec, specify
from etb_hw.pruning import deployable, load_checkpoint, save_checkpoint
from etb_hw.qonnx_io.export import exported_model
from etb_hw.quantizers import KINDS
from etb_hw.training import train


@pytest.mark.parametrize("name", KINDS)
def test_kinds_describe_their_values(name):
    kind = KINDS[name]
    values = range(kind.low, kind.high + 1, kind.step)
    assert len(values) == 2**kind.bits == kind.thresholds + 1
    assert kind.bound == max(abs(value) for value in values)
    assert kind.pad in values


@pytest.mark.parametrize(
    ("model", "width", "activation"),
    [("vgg_small", 0.08, "uint2"), ("resnet18", 0.06, "uint2"), ("tfc", 0.3, "uint4")],
)
def test_a_few_bit_network_trains_and_every_stage_computes_its_bits(model, width, activation, tmp_path):
    digits = data.load(DataConfig(name="digits", train_limit=512, test_limit=64))
    result = train(
        ModelConfig(name=model, width=width, activation=activation),
        TrainingConfig(epochs=6, batch=32, lr=0.03, threads=1),
        EvolutionConfig(ratio=0.3),
        digits,
    )
    assert result.accuracy > 0.3
    pixels = torch.from_numpy(digits.test_x)
    expected = result.hard(pixels)
    save_checkpoint(result.hard, tmp_path / "checkpoint.safetensors")
    loaded, _ = load_checkpoint(tmp_path / "checkpoint.safetensors")
    assert torch.equal(loaded(pixels), expected)
    assert any(layer.output == activation for layer in loaded.spec.layers)
    module = deployable(loaded)
    assert torch.equal(module(pixels.float()), expected)
    graph = qonnx_io.import_model(exported_model(module, module.input_shape))
    assert np.array_equal(reference.execute(graph, digits.test_x), expected.numpy())
    kind = KINDS[activation]
    assert any(found.dtype.name == f"UINT{kind.bits}" for found in graph.types.values())
    assert design(graph, BuildConfig(target_fps=1000)).graph.fps >= 1000


def test_unknown_kinds_are_refused():
    spec = specify(ModelConfig(name="tfc"), (1, 8, 8), 10)
    with pytest.raises(BadInput, match="uint3"):
        spec.with_activation("uint3")
    values = spec.to_json()
    values["layers"][0]["output"] = "uint3"
    with pytest.raises(BadInput, match="layer fc1"):
        NetSpec.from_json(values)
