"""Half precision is used where the processor has it, and only while training."""

from pathlib import Path

import pytest
import torch

from etb_hw import data
from etb_hw.config import DataConfig, EvolutionConfig, ModelConfig, TeacherConfig, TrainingConfig
from etb_hw.training.devices import halved
from etb_hw.training.loop import train
from etb_hw.training.teacher import teach


def with_units(monkeypatch: pytest.MonkeyPatch, **units: bool) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: units, raising=False)


@pytest.mark.parametrize(
    ("units", "wanted", "dtype"),
    [
        ({"avx512_bf16": True}, True, torch.bfloat16),
        ({"amx_bf16": True}, True, torch.bfloat16),
        ({"avx512_bf16": True}, False, torch.float32),
        ({"avx2": True, "avx512_bf16": False}, True, torch.float32),
        ({}, True, torch.float32),
    ],
)
def test_products_are_halved_where_that_is_faster(
    units: dict[str, bool], wanted: bool, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_units(monkeypatch, **units)
    x = torch.ones(1, 3)
    with halved(x, wanted):
        assert torch.nn.functional.linear(x, torch.ones(2, 3)).dtype == dtype


def test_a_network_that_was_trained_in_bfloat16_is_evaluated_exactly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_units(monkeypatch, avx512_bf16=True)
    every = data.load(DataConfig())
    x, y = every.test_x[:64], every.test_y[:64]
    few = data.Dataset(every.train_x[:320], every.train_y[:320], x, y, every.classes, "few")
    model = ModelConfig(widths=(8, 8, 12, 12, 16, 16))
    training = TrainingConfig(epochs=2, batch=32, threads=1, amp=True, teacher=TeacherConfig(epochs=6))
    teacher = teach(model, training, few)
    assert teacher is not None
    right = teacher(torch.from_numpy(x).float()).argmax(1) == torch.from_numpy(y)
    assert float(right.float().mean()) > 0.5  # of ten classes: it has learned
    result = train(model, training, EvolutionConfig(ratio=0.3), few, tmp_path)
    assert result is not None
    assert all(proof.mismatches == 0 for proof in result.proofs)
    assert result.hard(torch.from_numpy(x).float()).dtype == torch.float32
