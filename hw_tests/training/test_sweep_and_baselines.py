"""Sweeps share a study and resume; baselines compare under one budget and resume."""

import json

import pytest

from etb_hw import data
from etb_hw.config import DataConfig, EvolutionConfig, ModelConfig, TeacherConfig, TrainingConfig
from etb_hw.errors import BadInput
from etb_hw.training import baselines, sweep

MODEL = ModelConfig(widths=(4, 4, 6, 6, 8, 8))
TRAINING = TrainingConfig(epochs=1, batch=32, threads=1)


@pytest.fixture(scope="module")
def digits() -> data.Dataset:
    whole = data.load(DataConfig())
    part = slice(160)
    return data.Dataset(
        whole.train_x[part],
        whole.train_y[part],
        whole.test_x[part],
        whole.test_y[part],
        whole.classes,
        "digits",
    )


def test_sweep_trains_each_point_once_and_draws_the_front(digits, tmp_path):
    task = sweep.Task(MODEL, TRAINING, EvolutionConfig(), digits, estimate=lambda hard: {"lut": 100.0})
    titles = []
    first = sweep.run(task, tmp_path, [0.2, 0.4], [0], progress=titles.append)
    assert len(first.points) == len(titles) == 2
    again = sweep.run(task, tmp_path, [0.2, 0.4], [0, 1], progress=titles.append)
    assert len(titles) == 4
    assert {(p.ratio, p.seed) for p in again.points} == {(0.2, 0), (0.4, 0), (0.2, 1), (0.4, 1)}
    assert [p for p in again.points if p.seed == 0] == list(first.points)
    assert set(again.fronts) == {"bytes", "lut"}
    written = json.loads((tmp_path / "sweep.json").read_text())
    assert len(written["points"]) == 4
    assert (tmp_path / "pareto.png").stat().st_size > 1000


def test_other_settings_do_not_mix_into_a_sweep(digits, tmp_path):
    titles = []
    for lr in (0.01, 0.02, 0.01):
        task = sweep.Task(MODEL, TRAINING.model_copy(update={"lr": lr}), EvolutionConfig(), digits)
        assert len(sweep.run(task, tmp_path, [0.3], progress=titles.append).points) == 1
    assert len(titles) == 2


def test_all_ratios_learn_from_one_teacher(digits, tmp_path):
    taught = TRAINING.model_copy(update={"teacher": TeacherConfig(epochs=1)})
    task = sweep.Task(MODEL, taught, EvolutionConfig(), digits)
    assert len(sweep.run(task, tmp_path, [0.2, 0.4]).points) == 2
    assert [path.parent.name for path in tmp_path.rglob("teacher.safetensors")] == ["seed-0"]


def test_several_processes_share_a_sweep(digits, tmp_path):
    task = sweep.Task(MODEL, TRAINING, EvolutionConfig(), digits)
    found = sweep.run(task, tmp_path, [0.2, 0.3, 0.4], jobs=2)
    assert [point.ratio for point in found.points] == [0.2, 0.3, 0.4]
    assert sweep.run(task, tmp_path, [0.2, 0.3, 0.4]).points == found.points


def test_runs_of_dead_processes_are_taken_back(digits, tmp_path):
    import os
    import socket
    import subprocess

    gone = subprocess.Popen(["true"])
    gone.wait()
    task = sweep.Task(MODEL, TRAINING, EvolutionConfig(), digits)
    study = sweep._study(tmp_path, task)
    study.enqueue_trial({"ratio": 0.3, "seed": 0})
    trial = study.ask()
    trial.set_user_attr("worker", f"{socket.gethostname()}:{gone.pid}")
    trial.suggest_float("ratio", 0.0, 1.0)
    trial.suggest_int("seed", 0, 2**31 - 1)
    assert len(sweep.run(task, tmp_path, [0.3]).points) == 1
    assert not sweep._is_dead(f"{socket.gethostname()}:{os.getpid()}")


def test_pareto_front():
    def point(size, accuracy):
        return sweep.Point(0.1, 0, accuracy, size, size)

    points = [point(10, 0.5), point(20, 0.4), point(20, 0.7), point(30, 0.7), point(40, 0.9)]
    front = sweep.pareto(points, lambda p: p.bytes)
    assert [(p.bytes, p.accuracy) for p in front] == [(10, 0.5), (20, 0.7), (40, 0.9)]


def test_bad_ratios_are_refused(digits, tmp_path):
    with pytest.raises(BadInput, match="ratios"):
        sweep.run(sweep.Task(MODEL, TRAINING, EvolutionConfig(), digits), tmp_path, [1.5])


def test_baselines_compare_all_methods_and_resume(digits, tmp_path):
    methods = (*baselines.METHODS, "etb widths")
    titles = []

    def compare(seeds):
        return baselines.run(
            MODEL,
            TRAINING,
            EvolutionConfig(ratio=0.4),
            digits,
            tmp_path,
            seeds,
            methods,
            progress=titles.append,
            estimate=lambda hard: {"fps": 10.0},
        )

    compare([0])
    assert len(titles) == 6
    table = compare([0])
    assert len(titles) == 6
    sizes = {run.method: run.parameters for run in table.runs}
    assert sizes["etb widths"] == sizes["etb"] < sizes["dense"]
    assert abs(sizes["small"] - sizes["etb"]) < 0.1 * sizes["dense"]
    text = (tmp_path / "baselines.md").read_text()
    assert "| ETB |" in text
    assert "fps" in text
    assert len(json.loads((tmp_path / "baselines.json").read_text())["runs"]) == 6
