"""A finished run is trained further: what restarts of the learning rate are added to its flow file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from etb_hw import data, training
from etb_hw.artifacts.run_files import METRICS, TRAINING_STATE
from etb_hw.config import DataConfig, EvolutionConfig, ModelConfig, RestartConfig, TrainingConfig

MODEL = ModelConfig(widths=(6, 6, 8, 8, 12, 12))
EVOLUTION = EvolutionConfig(ratio=0.4)
AN_EPOCH = 10
ONE, TWO = RestartConfig(epochs=1, lr=0.01), RestartConfig(epochs=2, lr=0.005)


@pytest.fixture(scope="module")
def digits() -> data.Dataset:
    return data.load(DataConfig(train_limit=320, test_limit=100))


class Runs:
    """Trains in a folder, with the steps at which each training showed itself."""

    def __init__(self, digits: data.Dataset, folder: Path | None) -> None:
        self.digits, self.folder = digits, folder
        self.shown: list[int] = []

    def train(self, *restarts: RestartConfig, **changes: int) -> dict[str, torch.Tensor] | None:
        recipe = TrainingConfig(epochs=2, batch=32, lr=0.02, threads=1, restarts=restarts)
        self.shown.clear()
        result = training.train(
            MODEL,
            recipe,
            EVOLUTION,
            self.digits,
            self.folder,
            lambda at: self.shown.append(at.step),
            **changes,
        )
        if result is None:
            return None
        assert all(proof.mismatches == 0 for proof in result.proofs)
        return result.hard.state_dict()


def same(a: dict[str, torch.Tensor] | None, b: dict[str, torch.Tensor] | None) -> bool:
    assert a is not None
    assert b is not None
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_a_finished_run_goes_on_from_its_end_as_if_asked_from_the_start(digits, tmp_path):
    runs = Runs(digits, tmp_path)
    first = runs.train()
    further = runs.train(ONE)
    assert runs.shown == [3 * AN_EPOCH]  # nothing is trained twice
    assert not same(first, further)
    again = runs.train(ONE, TWO)
    assert runs.shown == [4 * AN_EPOCH, 5 * AN_EPOCH]
    rates = [json.loads(line)["lr"] for line in METRICS.path(tmp_path).read_text().splitlines()]
    assert len(rates) == 5
    assert rates[2] < 0.01 / 20  # at its end; each restart falls to nothing
    assert 0.4 * TWO.lr < rates[3] < 0.6 * TWO.lr
    assert rates[4] < TWO.lr / 20
    whole = Runs(digits, None)
    assert same(further, whole.train(ONE))
    assert same(again, whole.train(ONE, TWO))


@pytest.mark.parametrize("stop", [2 * AN_EPOCH, 3 * AN_EPOCH + 3])
def test_a_restart_that_was_stopped_goes_on_identically(digits, tmp_path, stop):
    runs = Runs(digits, tmp_path)
    assert runs.train(ONE, TWO, stop_after=stop) is None
    found = runs.train(ONE, TWO)
    assert runs.shown[0] == AN_EPOCH * (stop // AN_EPOCH + 1)
    assert same(found, Runs(digits, None).train(ONE, TWO))


def test_another_restart_is_tried_from_where_the_first_one_began(digits, tmp_path):
    """Even where that had gone on for long, or was given up on the way."""
    runs = Runs(digits, tmp_path)
    assert runs.train(TWO, stop_after=2 * AN_EPOCH + 5) is None
    found = runs.train(ONE)
    assert runs.shown == [3 * AN_EPOCH]
    assert same(found, Runs(digits, None).train(ONE))
    assert same(runs.train(), Runs(digits, None).train())  # none at all: as it was
    assert runs.shown == []


def test_runs_without_restarts_are_the_runs_they_were(tmp_path):
    """The state of a run, and the results of its steps, are found by what decides them."""
    assert "restarts" not in TrainingConfig().model_dump()
    assert "restarts" not in TrainingConfig().model_dump(mode="json")
    assert TrainingConfig(restarts=(ONE,)).model_dump()["restarts"] == ({"epochs": 1, "lr": 0.01},)


def test_a_run_of_other_settings_takes_nothing_over(digits, tmp_path):
    runs = Runs(digits, tmp_path)
    runs.train(ONE)
    assert (tmp_path / f"{TRAINING_STATE}.finished").is_file()
    recipe = TrainingConfig(epochs=2, batch=32, lr=0.03, threads=1, restarts=(ONE,))
    other = training.train(MODEL, recipe, EVOLUTION, digits, tmp_path)
    alone = training.train(MODEL, recipe, EVOLUTION, digits)
    assert other is not None
    assert alone is not None
    assert same(other.hard.state_dict(), alone.hard.state_dict())
