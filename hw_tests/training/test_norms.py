"""Batch normalisation at the end of a run: the statistics of the network that it has become."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from etb_hw import data, training
from etb_hw.artifacts.run_files import METRICS
from etb_hw.config import DataConfig, EvolutionConfig, ModelConfig, TrainingConfig
from etb_hw.models import BinaryNet, specify
from etb_hw.training.batches import Batches
from etb_hw.training.norms import estimate_norms

MODEL = ModelConfig(widths=(6, 6, 8, 8, 12, 12))


@pytest.fixture(scope="module")
def digits() -> data.Dataset:
    return data.load(DataConfig(train_limit=320, test_limit=100))


def batches_of(digits: data.Dataset, rank: int = 0, ranks: int = 1) -> Batches:
    x, y = training.tensor_of(digits.train_x), torch.from_numpy(digits.train_y)
    return Batches(x, y, TrainingConfig(batch=32), rank, ranks)


def estimated(digits: data.Dataset, count: int, rank: int = 0, ranks: int = 1) -> BinaryNet:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        net = BinaryNet(specify(MODEL, digits.shape, len(digits.classes), digits.dtype))
    before = {name: value.clone() for name, value in net.named_parameters()}
    estimate_norms(net.train(), batches_of(digits, rank, ranks), 7, count)
    assert net.training
    assert all(torch.equal(value, before[name]) for name, value in net.named_parameters())
    estimate_norms(net.eval(), batches_of(digits, rank, ranks), 7, count)
    assert not net.training
    return net


def test_statistics_are_the_means_over_the_batches(digits):
    net = estimated(digits, 3)
    norm = net.layer("conv1").norm
    core = net.layer("conv1").core
    assert norm is not None
    assert core is not None
    with torch.no_grad():
        sums = [core(batches_of(digits).batch(step)[0]) for step in (7, 8, 9)]
    means = torch.stack([part.mean((0, 2, 3)) for part in sums]).mean(0)
    variances = torch.stack([part.var((0, 2, 3)) for part in sums]).mean(0)
    torch.testing.assert_close(norm.running_mean, means, rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(norm.running_var, variances, rtol=1e-5, atol=1e-4)


def test_an_epoch_is_enough_and_all_processes_agree(digits):
    epoch = estimated(digits, 10).state_dict()
    for other in (estimated(digits, 500), estimated(digits, 10, 1, 2)):
        assert all(torch.equal(value, epoch[name]) for name, value in other.state_dict().items())


def test_they_are_no_part_of_the_runs_state(digits, tmp_path: Path):
    """Asked for later they cost no training, and what the history ends with is what the network has."""
    shown: list[int] = []

    def train(norm_batches: int) -> training.TrainResult:
        recipe = TrainingConfig(epochs=2, batch=32, lr=0.02, threads=1, norm_batches=norm_batches)
        evolution = EvolutionConfig(ratio=0.4)
        found = training.train(MODEL, recipe, evolution, digits, tmp_path, lambda at: shown.append(at.step))
        assert found is not None
        assert all(proof.mismatches == 0 for proof in found.proofs)
        rows = [json.loads(line) for line in METRICS.path(tmp_path).read_text().splitlines()]
        assert [row["epoch"] for row in rows] == [1, 2]
        assert rows[-1]["accuracy"] == found.accuracy
        return found

    running, estimated_, again = (train(count) for count in (0, 10, 0))
    assert shown == [10, 20]
    for kind, same in (("weight", True), ("thresholds", False)):
        first, second, third = (
            getattr(run.hard.layer("conv2"), kind) for run in (running, estimated_, again)
        )
        assert torch.equal(first, second) == same
        assert torch.equal(first, third)
