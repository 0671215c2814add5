"""Whole runs on small data: proofs, targets, resuming, decisions."""

import contextlib
import itertools
import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from etb_hw import data, training
from etb_hw.artifacts.run_files import TRAINING_STATE
from etb_hw.config import DataConfig, EvolutionConfig, ModelConfig, TeacherConfig, TrainingConfig
from etb_hw.errors import BadInput, InfeasibleTarget
from etb_hw.evolution import course
from etb_hw.evolution.controller import Controller
from etb_hw.pruning import deployable
from etb_hw.training import loop, phases, teacher, watch
from etb_hw.training import state as state_file
from etb_hw.training import step as train_step_file
from etb_hw.training.loss import loss_of
from etb_hw.training.state import before
from etb_hw.training.whole_steps import whole_steps

MODEL = ModelConfig(widths=(6, 6, 8, 8, 12, 12))


def settings(**changes) -> TrainingConfig:
    values = {"epochs": 4, "batch": 32, "lr": 0.02, "threads": 1, "evaluate_every": 2}
    return TrainingConfig(**{**values, **changes})


@pytest.fixture(scope="module")
def digits() -> data.Dataset:
    whole = data.load(DataConfig())
    return data.Dataset(
        whole.train_x[:320],
        whole.train_y[:320],
        whole.test_x[:100],
        whole.test_y[:100],
        whole.classes,
        "digits",
    )


def same_network(a: training.TrainResult, b: training.TrainResult) -> bool:
    left, right = a.hard.state_dict(), b.hard.state_dict()
    return a.hard.spec == b.hard.spec and all(torch.equal(left[name], right[name]) for name in left)


def test_a_run_ends_binary_slim_and_proved(digits, tmp_path):
    updates = []
    result = training.train(MODEL, settings(), EvolutionConfig(ratio=0.4), digits, tmp_path, updates.append)
    assert result is not None
    assert all(proof.mismatches == 0 for proof in result.proofs)
    assert len(result.proofs) == 4
    assert 0.4 <= result.report.reached < 0.43  # never less than was asked for
    x = torch.from_numpy(digits.test_x).float()
    assert torch.equal(deployable(result.hard)(x), result.hard(x))
    assert result.accuracy == pytest.approx(float((result.hard(x).argmax(1).numpy() == digits.test_y).mean()))
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4]
    assert rows[0]["phase"] == "evolving"
    assert rows[0]["shares"]["ternary"] > 0
    assert rows[-1]["phase"] == "binary"
    assert rows[-1]["shares"]["ternary"] == 0
    assert rows[-1]["pruned"] == pytest.approx(result.report.reached)
    assert updates[-1].step == updates[-1].steps


@pytest.mark.parametrize("stop", [7, 17, 24, 33])
def test_a_stopped_run_goes_on_identically(digits, tmp_path, stop):
    evolution = EvolutionConfig(ratio=0.4)
    through = training.train(MODEL, settings(), evolution, digits, tmp_path / "a")
    assert training.train(MODEL, settings(), evolution, digits, tmp_path / "b", stop_after=stop) is None
    resumed = training.train(MODEL, settings(), evolution, digits, tmp_path / "b")
    assert same_network(through, resumed)
    assert through.proofs == resumed.proofs

    def history(folder):
        lines = (tmp_path / folder / "metrics.jsonl").read_text().splitlines()
        return [{**json.loads(line), "images_per_second": 0} for line in lines]

    assert history("a") == history("b")


def test_the_evolution_is_gradual(digits):
    """Filters reach zero before any is masked, and the others become binary one after another."""
    rows = []
    recipe = settings(epochs=30)
    shares = {}

    def watch(progress):
        shares[progress.step] = progress.shares

    result = training.train(MODEL, recipe, EvolutionConfig(ratio=0.4), digits, progress=watch)
    assert result is not None
    steps = sorted(shares)
    an_epoch = steps[-1] // 30
    rows = [shares[max(s for s in steps if s <= epoch * an_epoch)] for epoch in range(1, 31)]
    done = [row.binary + row.zero for row in rows]
    slim = [row.zero for row in rows[:15]]
    assert slim[11] > 0.8 * slim[14] > 0.1  # the dead zones did it, the mask found them so
    assert max(b - a for a, b in itertools.pairwise(done)) <= 0.15
    assert sum(b > a for a, b in itertools.pairwise(done)) >= 8
    assert done[-10] == 1


@pytest.mark.parametrize("stop", [7, 24, 33])
def test_a_state_of_version_0_2_0_goes_on_identically(digits, tmp_path, stop):
    """Its tensors have the names that Brevitas layers gave them."""
    evolution, now = EvolutionConfig(ratio=0.4), []
    assert training.train(MODEL, settings(), evolution, digits, tmp_path, stop_after=stop) is None
    state = tmp_path / TRAINING_STATE
    as_version_0_2_0(state)
    assert b"tensor_quant.threshold" in state.read_bytes()
    resumed = training.train(MODEL, settings(), evolution, digits, tmp_path, lambda at: now.append(at.step))
    assert now[0] == 10 * (stop // 10 + 1)
    assert same_network(resumed, training.train(MODEL, settings(), evolution, digits))


def as_version_0_2_0(state: Path) -> None:
    with safe_open(state, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        header = file.metadata()
    before = {
        re.sub(
            r"\.core\.pad\.alive$", ".input_alive",
            name.replace(".core.quant.", ".core.weight_quant.tensor_quant.")
            .replace(".act.quant.", ".act.act_quant.fused_activation_quant_proxy.tensor_quant.")
            .replace("classifier.logits.", "classifier."),
        ): value
        for name, value in tensors.items()
    }  # fmt: skip
    header |= {"format": "etb-hw training state 2", "digest": state_file._digest(header["state"], before)}
    save_file(before, state, header)


def test_other_settings_do_not_resume_a_run(digits, tmp_path):
    evolution = EvolutionConfig(ratio=0.2)
    training.train(MODEL, settings(epochs=1), evolution, digits, tmp_path, stop_after=5)
    fresh = training.train(MODEL, settings(epochs=1, seed=1), evolution, digits, tmp_path)
    alone = training.train(MODEL, settings(epochs=1, seed=1), evolution, digits)
    assert same_network(fresh, alone)


def test_ctrl_c_leaves_a_resumable_run(digits, tmp_path):
    def interrupt(update: training.Progress) -> None:
        if update.step >= 20:
            raise KeyboardInterrupt

    evolution = EvolutionConfig(ratio=0.4)
    with pytest.raises(KeyboardInterrupt):
        training.train(MODEL, settings(), evolution, digits, tmp_path, interrupt)
    resumed = training.train(MODEL, settings(), evolution, digits, tmp_path)
    assert same_network(resumed, training.train(MODEL, settings(), evolution, digits))


def interrupted_within(monkeypatch, owner, name: str, call: int) -> None:
    """Ctrl-C arrives while the ``call``-th call of a function runs."""
    right, count = getattr(owner, name), 0

    def wrapped(*arguments, **others):
        nonlocal count
        count += 1
        result = right(*arguments, **others)
        if count == call:
            signal.raise_signal(signal.SIGINT)
        return result

    monkeypatch.setattr(owner, name, wrapped)


@pytest.mark.parametrize(
    ("owner", "name", "call"),
    [
        (Controller, "after_step", 9),  # the weights are updated, the step is not yet counted
        (course, "cut", 1),  # half of the state is that of the slim network
        (phases, "logits", 1),
        (loop, "refitted", 1),
        (watch, "accuracy", 1),
        (teacher, "cosine", 5),
    ],
)
def test_ctrl_c_within_a_step_resumes_to_the_same_network(digits, tmp_path, monkeypatch, owner, name, call):
    evolution, config = EvolutionConfig(ratio=0.4), settings(teacher=TeacherConfig(epochs=1))
    with monkeypatch.context() as patched:
        interrupted_within(patched, owner, name, call)
        with pytest.raises(KeyboardInterrupt):
            training.train(MODEL, config, evolution, digits, tmp_path)
    steps = []
    resumed = training.train(MODEL, config, evolution, digits, tmp_path, lambda now: steps.append(now.step))
    assert same_network(resumed, training.train(MODEL, config, evolution, digits))


def test_an_error_within_a_step_leaves_the_state_before_it(digits, tmp_path, monkeypatch):
    evolution = EvolutionConfig(ratio=0.4)
    training.train(MODEL, settings(), evolution, digits, tmp_path, stop_after=6)
    saved = (tmp_path / TRAINING_STATE).read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(Controller, "after_step", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            training.train(MODEL, settings(), evolution, digits, tmp_path)
    assert (tmp_path / TRAINING_STATE).read_bytes() == saved
    resumed = training.train(MODEL, settings(), evolution, digits, tmp_path)
    assert same_network(resumed, training.train(MODEL, settings(), evolution, digits))


@pytest.mark.parametrize("wrong", ["nan", "inf"])
def test_one_step_of_nan_is_no_end(digits, tmp_path, monkeypatch, wrong):
    evolution, right, count = EvolutionConfig(ratio=0.4), loss_of, 0
    config = settings(checkpoint_seconds=0)

    def broken(*arguments):
        nonlocal count
        count += 1
        return right(*arguments) * (float(wrong) if count == 12 else 1.0)

    with monkeypatch.context() as patched:
        patched.setattr(train_step_file, "loss_of", broken)
        with pytest.raises(BadInput, match=rf"diverged at step 11 \(loss is {wrong}\)"):
            training.train(MODEL, config, evolution, digits, tmp_path)
    resumed = training.train(MODEL, config, evolution, digits, tmp_path)
    assert same_network(resumed, training.train(MODEL, config, evolution, digits))


def test_a_second_ctrl_c_ends_at_once():
    with whole_steps() as steps:
        with contextlib.suppress(KeyboardInterrupt), steps.one():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            pytest.fail("the second one ends the step")
        assert not steps.whole


KILLED = """
import os, sys, warnings
from pathlib import Path
warnings.filterwarnings("ignore")
from etb_hw import data, training
from etb_hw.config import DataConfig, EvolutionConfig, ModelConfig, TrainingConfig

whole = data.load(DataConfig())
digits = data.Dataset(
    whole.train_x[:320], whole.train_y[:320], whole.test_x[:100], whole.test_y[:100], whole.classes, "digits"
)
training.train(
    ModelConfig(widths=(6, 6, 8, 8, 12, 12)),
    TrainingConfig(epochs=4, batch=32, lr=0.02, threads=1, evaluate_every=2, checkpoint_seconds=0),
    EvolutionConfig(ratio=0.4),
    digits,
    Path(sys.argv[1]),
    lambda update: os.kill(os.getpid(), 9) if update.step >= 30 else None,
)
"""


def test_a_killed_run_goes_on_identically(digits, tmp_path):
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], timeout=240, check=False)
    assert done.returncode == -9
    steps = []
    evolution = EvolutionConfig(ratio=0.4)
    resumed = training.train(
        MODEL, settings(), evolution, digits, tmp_path, lambda update: steps.append(update.step)
    )
    assert steps == [40]
    assert same_network(resumed, training.train(MODEL, settings(), evolution, digits))


def test_ratio_zero_is_the_dense_baseline(digits):
    result = training.train(MODEL, settings(epochs=2), EvolutionConfig(ratio=0), digits)
    assert result.hard.spec.widths == result.dense.widths
    assert result.report.reached == 0


@pytest.mark.parametrize("count", ["filters", "macs"])
def test_other_targets_and_multiples(digits, count):
    evolution = EvolutionConfig(ratio=0.3, count=count, multiple=2)
    result = training.train(MODEL, settings(epochs=2), evolution, digits)
    assert result.report.reached == pytest.approx(0.3, abs=0.08)
    assert getattr(result.report, count).ratio == pytest.approx(result.report.reached)
    assert all(width % 2 == 0 for group, width in result.hard.spec.widths.items() if group.startswith("conv"))


def test_luts_are_counted_by_the_given_cost(digits):
    evolution = EvolutionConfig(ratio=0.3, count="luts")
    with pytest.raises(BadInput, match="luts"):
        training.train(MODEL, settings(epochs=1), evolution, digits)

    def cost(widths):
        return sum(widths.values()) * 100.0

    result = training.train(MODEL, settings(epochs=1), evolution, digits, cost=cost)
    assert 0.3 <= result.report.reached < 0.33


def test_impossible_targets_are_refused(digits):
    with pytest.raises(InfeasibleTarget, match="cannot be cut"):
        training.train(MODEL, settings(), EvolutionConfig(ratio=0.9, floor=6), digits)
    with pytest.raises(BadInput, match="caps"):
        training.train(MODEL, settings(), EvolutionConfig(ratio=0.3, caps=(0.5,)), digits)


@pytest.mark.parametrize("criterion", ["l1", "random"])
def test_baseline_criteria_cut_all_at_once(digits, tmp_path, criterion):
    evolution = EvolutionConfig(ratio=0.4, criterion=criterion)
    result = training.train(MODEL, settings(), evolution, digits, tmp_path)
    assert abs(result.report.reached - 0.4) < 0.03
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert rows[0]["pruned"] == 0
    assert rows[-1]["pruned"] > 0.38


def test_damaged_state_is_named(digits, tmp_path):
    (tmp_path / TRAINING_STATE).write_bytes(b"\x00" * 50)
    with pytest.raises(BadInput, match="delete it"):
        training.train(MODEL, settings(), EvolutionConfig(), digits, tmp_path)


def test_a_flipped_bit_in_the_state_is_noticed_and_the_state_before_is_taken(digits, tmp_path, caplog):
    evolution = EvolutionConfig(ratio=0.3)
    config = settings(checkpoint_seconds=0.0)
    whole = training.train(MODEL, config, evolution, digits, tmp_path / "whole")
    assert training.train(MODEL, config, evolution, digits, tmp_path / "cut", stop_after=7) is None
    state = tmp_path / "cut" / TRAINING_STATE
    content = bytearray(state.read_bytes())
    content[-5] ^= 4
    state.write_bytes(content)
    resumed = training.train(MODEL, config, evolution, digits, tmp_path / "cut")
    assert "was changed since it was written" in caplog.text
    assert resumed.hard.state_dict().keys() == whole.hard.state_dict().keys()
    for name, value in whole.hard.state_dict().items():
        assert torch.equal(value, resumed.hard.state_dict()[name]), name
    for file in (state, before(state)):
        file.write_bytes(content)
    with pytest.raises(BadInput, match="delete it"):
        training.train(MODEL, config, evolution, digits, tmp_path / "cut")


@pytest.mark.parametrize("harm", ["deleted", "truncated", "damaged"])
def test_the_history_outlives_its_file(digits, tmp_path, harm):
    def rows():
        found = [json.loads(line) for line in file.read_text().splitlines()]
        return [{**row, "images_per_second": 0} for row in found]

    file = tmp_path / "metrics.jsonl"
    training.train(MODEL, settings(), EvolutionConfig(), digits, tmp_path)
    whole = rows()
    match harm:
        case "deleted":
            file.unlink()
        case "truncated":
            file.write_bytes(file.read_bytes()[:100])
        case "damaged":
            file.write_bytes(b"garbage" + file.read_bytes())
    training.train(MODEL, settings(), EvolutionConfig(), digits, tmp_path)
    assert rows() == whole


def test_augmentation_keeps_pixels_and_moves_them():
    from etb_hw.training.batches import augment

    x = torch.randint(1, 256, (40, 3, 9, 7), dtype=torch.uint8)
    noise = torch.rand(40, 5)
    assert torch.equal(augment(x, noise, settings()), x)
    moved = augment(x, noise, settings(shift=2))
    top, left = (noise[0, 1:3] * 5).long().tolist()
    wide = np.pad(x[0].numpy(), ((0, 0), (2, 2), (2, 2)))
    assert np.array_equal(moved[0].numpy(), wide[:, top : top + 9, left : left + 7])
    mirrored = augment(x, noise, settings(flip=True))
    for i in range(40):
        assert torch.equal(mirrored[i], x[i].flip(2) if noise[i, 0] < 0.5 else x[i])
    holes = augment(x, noise, settings(cutout=3))
    assert (holes == 0).any()
    assert ((holes == 0) | (holes == x)).all()
