"""A compiled training step is one graph, made anew only where the network changes its form."""

from pathlib import Path

import pytest
import torch
from torch._dynamo.testing import CompileCounter

from etb_hw import data
from etb_hw.config import DataConfig, EvolutionConfig, ModelConfig, TrainingConfig
from etb_hw.training.loop import train

FORMS = 3  # evolving, slim, binary


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(ModelConfig(widths=(4, 4, 6, 6, 8, 8)), id="vgg_small"),
        pytest.param(ModelConfig(name="resnet18", width=0.0625), id="resnet18", marks=pytest.mark.slow),
    ],
)
def test_a_run_is_as_many_graphs_as_the_network_has_forms(
    model: ModelConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = data.load(DataConfig())
    few = data.Dataset(
        whole.train_x[:128], whole.train_y[:128], whole.test_x[:32], whole.test_y[:32], whole.classes, "few"
    )
    torch._dynamo.reset()
    counter, compiled = CompileCounter(), torch.compile
    # fullgraph: a step that would be cut into several graphs is an error
    monkeypatch.setattr(torch, "compile", lambda net: compiled(net, backend=counter, fullgraph=True))
    training = TrainingConfig(epochs=4, batch=32, threads=1, compile=True)
    result = train(model, training, EvolutionConfig(ratio=0.4), few, tmp_path)
    assert result is not None
    assert result.hard.spec.widths != result.dense.widths
    assert counter.frame_count == FORMS
