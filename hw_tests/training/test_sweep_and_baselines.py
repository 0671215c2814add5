"""Sweeps share a study and resume; baselines compare under one budget and resume."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from etb_hw import data
from etb_hw.artifacts.run_files import METRICS, TRAINING_STATE
from etb_hw.artifacts.study import TITLES, Point
from etb_hw.config import DataConfig, EvolutionConfig, ModelConfig, TeacherConfig, TrainingConfig
from etb_hw.errors import BadInput, InfeasibleTarget
from etb_hw.files import locked
from etb_hw.models import specify
from etb_hw.report.baseline_table import baseline_table
from etb_hw.report.pareto import pareto_picture
from etb_hw.training import baselines, sweep
from etb_hw.training.workers import ProcessDied

MODEL = ModelConfig(widths=(4, 4, 6, 6, 8, 8))
TRAINING = TrainingConfig(epochs=1, batch=32, threads=1)


@pytest.fixture(scope="module")
def digits() -> data.Dataset:
    return first_digits()


def first_digits() -> data.Dataset:
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
    first = sweep.sweep_ratios(task, tmp_path, [0.2, 0.4], [0], progress=titles.append)
    assert len(first.points) == len(titles) == 2
    again = sweep.sweep_ratios(task, tmp_path, [0.2, 0.4], [0, 1], progress=titles.append)
    assert len(titles) == 4
    assert {(p.ratio, p.seed) for p in again.points} == {(0.2, 0), (0.4, 0), (0.2, 1), (0.4, 1)}
    assert [p for p in again.points if p.seed == 0] == list(first.points)
    assert set(again.fronts) == {"bytes", "lut"}
    written = json.loads((tmp_path / "sweep.json").read_text())
    assert len(written["points"]) == 4
    assert pareto_picture(again).startswith(b"\x89PNG")


def test_other_settings_do_not_mix_into_a_sweep(digits, tmp_path):
    titles = []
    for lr in (0.01, 0.02, 0.01):
        task = sweep.Task(MODEL, TRAINING.model_copy(update={"lr": lr}), EvolutionConfig(), digits)
        assert len(sweep.sweep_ratios(task, tmp_path, [0.3], progress=titles.append).points) == 1
    assert len(titles) == 2


def test_all_ratios_learn_from_one_teacher(digits, tmp_path):
    taught = TRAINING.model_copy(update={"teacher": TeacherConfig(epochs=1)})
    task = sweep.Task(MODEL, taught, EvolutionConfig(), digits)
    assert len(sweep.sweep_ratios(task, tmp_path, [0.2, 0.4]).points) == 2
    assert [path.parent.name for path in tmp_path.rglob("teacher.safetensors")] == ["seed-0"]


def test_several_processes_share_a_sweep_and_a_killed_one_is_replaced(digits, tmp_path):
    task = sweep.Task(MODEL, TRAINING, EvolutionConfig(), digits, estimate=die_once(tmp_path / "died"))
    found = sweep.sweep_ratios(task, tmp_path / "sweep", [0.2, 0.3, 0.4], jobs=2)
    assert (tmp_path / "died").exists()
    assert [point.ratio for point in found.points] == [0.2, 0.3, 0.4]
    assert sweep.sweep_ratios(task, tmp_path / "sweep", [0.2, 0.3, 0.4]).points == found.points


def test_a_point_of_a_killed_process_is_taken_over(digits, tmp_path):
    """A worker dies in the middle of a point; the same command ends with all points."""
    code = f"""
import os, sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from hw_tests.training import test_sweep_and_baselines as t
digits = t.first_digits()
task = t.sweep.Task(t.MODEL, t.TRAINING, t.EvolutionConfig(), digits, estimate=lambda hard: os._exit(9))
t.sweep.sweep_ratios(task, t.Path({str(tmp_path)!r}), [0.3])
"""
    killed = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
    assert killed.returncode == 9, killed.stderr
    assert not list(tmp_path.rglob("point-*.json"))
    task = sweep.Task(MODEL, TRAINING, EvolutionConfig(), digits)
    assert len(sweep.sweep_ratios(task, tmp_path, [0.3]).points) == 1


def long_task(digits):
    """What takes minutes, so that a test sees the midst of it."""
    return sweep.Task(MODEL, TRAINING.model_copy(update={"epochs": 1000}), EvolutionConfig(), digits)


def test_a_run_that_fails_stops_the_others_and_is_named(digits, tmp_path):
    with pytest.raises(InfeasibleTarget, match=r"^ratio-0\.999-seed-0: evolution\.ratio: 100%"):
        sweep.sweep_ratios(long_task(digits), tmp_path, [0.999, 0.2], jobs=2)
    assert not list(tmp_path.rglob("point-*.json"))
    for name in ("ratio-0.999-seed-0", "ratio-0.2-seed-0"):
        with locked(tmp_path / sweep.LOCKS / name) as free:
            assert free


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_processes_end_with_the_one_that_started_them_and_save(digits, tmp_path, number):
    """Only the first process is told: by kill, a scheduler, or a notebook that is stopped."""
    code = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from hw_tests.training import test_sweep_and_baselines as t
t.sweep.sweep_ratios(t.long_task(t.first_digits()), t.Path({str(tmp_path)!r}), [0.2, 0.3], jobs=2)
"""
    folders = [tmp_path / f"ratio-{ratio}-seed-0" for ratio in (0.2, 0.3)]
    first = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    until(lambda: first.poll() is not None or all(METRICS.path(folder).exists() for folder in folders))
    first.send_signal(number)
    _, said = first.communicate(timeout=240)
    assert first.returncode != 0
    assert said.count("Traceback") == (number == signal.SIGINT), said
    for folder in folders:
        if number == signal.SIGKILL:
            until((folder / TRAINING_STATE).exists)
        assert (folder / TRAINING_STATE).exists()
        with locked(tmp_path / sweep.LOCKS / folder.name, wait=True) as free:
            assert free
    assert not list(tmp_path.rglob("point-*.json"))


def until(true):
    end = time.monotonic() + 240
    while not true() and time.monotonic() < end:
        time.sleep(0.2)


def test_workers_that_always_die_are_reported(digits, tmp_path, monkeypatch):
    begun = []

    def deadly(jobs, work, arguments):
        begun.append(jobs)
        raise ProcessDied

    monkeypatch.setattr(sweep, "in_processes", deadly)
    with pytest.raises(sweep.WorkersDied, match="3 times in a row"):
        sweep.sweep_ratios(sweep.Task(MODEL, TRAINING, EvolutionConfig(), digits), tmp_path, [0.2], jobs=2)
    assert begun == [2, 2, 2]


def cut_short(file):
    file.write_bytes(file.read_bytes()[:30])


def garbled(file):
    file.write_bytes(b"\xff\x00{[")


def retyped(file):
    """Still JSON, of the right names, but no figures."""
    file.write_text(re.sub(r'"accuracy": [0-9.]+', '"accuracy": "x"', file.read_text()))


DAMAGES = pytest.mark.parametrize("damage", [cut_short, garbled, retyped])


@DAMAGES
def test_a_damaged_result_is_made_again(digits, tmp_path, damage):
    task = sweep.Task(MODEL, TRAINING, EvolutionConfig(), digits)
    first = sweep.sweep_ratios(task, tmp_path, [0.3])
    (result,) = tmp_path.rglob("point-*.json")
    damage(result)
    assert sweep.sweep_ratios(task, tmp_path, [0.3]) == first


def test_a_point_that_another_process_trains_is_waited_for(digits, tmp_path, monkeypatch):
    task = sweep.Task(MODEL, TRAINING, EvolutionConfig(), digits)
    titles = []
    with ExitStack() as other:
        assert other.enter_context(locked(tmp_path / ".trials/ratio-0.3-seed-0"))
        monkeypatch.setattr(time, "sleep", lambda _: other.close())
        assert len(sweep.sweep_ratios(task, tmp_path, [0.3], progress=titles.append).points) == 1
    assert titles == ["waiting for 1 that other processes train", "ratio 30%, seed 0"]


class die_once:
    def __init__(self, mark):
        self.mark = mark

    def __call__(self, hard):
        if not self.mark.exists():
            self.mark.touch()
            os._exit(9)
        return {}


def test_pareto_front():
    def point(size, accuracy):
        return Point(0.1, 0, accuracy, size, size)

    points = [point(10, 0.5), point(20, 0.4), point(20, 0.7), point(30, 0.7), point(40, 0.9)]
    front = sweep.pareto(points, lambda p: p.bytes)
    assert [(p.bytes, p.accuracy) for p in front] == [(10, 0.5), (20, 0.7), (40, 0.9)]


def test_bad_ratios_are_refused(digits, tmp_path):
    with pytest.raises(BadInput, match="ratios"):
        sweep.sweep_ratios(sweep.Task(MODEL, TRAINING, EvolutionConfig(), digits), tmp_path, [1.5])


def test_two_comparisons_never_train_in_one_folder(digits, tmp_path):
    with locked(tmp_path / "dense-0"), pytest.raises(BadInput, match="is trained by another process"):
        baselines.compare_methods(MODEL, TRAINING, EvolutionConfig(), digits, tmp_path, [0], ["dense"])


@DAMAGES
def test_a_table_that_is_damaged_on_the_way_is_whole_in_the_end(digits, tmp_path, damage, caplog):
    """In the midst of a comparison, and again behind it: no row is lost, and no run is trained twice."""

    def compare(on_result):
        return baselines.compare_methods(
            MODEL, TRAINING, EvolutionConfig(), digits, tmp_path, [0, 1], ["etb"], on_result=on_result
        )

    table = compare(lambda table: damage(tmp_path / "baselines.json"))
    assert len(table.runs) == 2
    assert "baselines.json is damaged" in caplog.text
    assert "made again" in caplog.text
    again = []
    told = compare(lambda table: again.append(len(table.runs)))
    assert again == [1, 2]  # the last damage took both rows; their runs are read from their folders

    def figures(runs):
        return [(run.seed, run.accuracy, run.parameters, run.seconds) for run in runs]

    assert figures(told.runs) == figures(table.runs)
    assert len(json.loads((tmp_path / "baselines.json").read_text())["runs"]) == 2


def test_baselines_compare_all_methods_and_resume(digits, tmp_path):
    methods = tuple(TITLES)
    titles = []
    groups = specify(MODEL, digits.shape, len(digits.classes), digits.dtype).prunable

    def compare(seeds):
        return baselines.compare_methods(
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
    assert len(titles) == len(TITLES)
    table = compare([0])
    assert len(titles) == len(TITLES)
    sizes = {run.method: run.parameters for run in table.runs}
    assert sizes["etb widths"] == sizes["etb"] < sizes["dense"]
    for method in ("small", "shaped", "l1", "l1 open", "random", "random open", "etb fixed"):
        assert abs(sizes[method] - sizes["etb"]) < 0.1 * sizes["dense"]
    widths = {run.method: [run.widths[group] for group in groups] for run in table.runs}
    lost = [1 - kept / full for kept, full in zip(widths["shaped"], widths["dense"], strict=True)]
    assert lost[0] + 0.2 < lost[-1], "narrowed the more, the deeper, as the caps are"
    text = baseline_table(table)
    assert "| ETB |" in text
    assert "fps" in text
    assert len(json.loads((tmp_path / "baselines.json").read_text())["runs"]) == len(TITLES)
