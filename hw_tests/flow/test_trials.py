"""A sweep's trials are runs: complete, current, and opened from the sweep's page."""

import json
from typing import ClassVar

import pytest

from etb_hw import data
from etb_hw.config import BuildConfig, DataConfig, Flow, ModelConfig, TeacherConfig, TrainingConfig
from etb_hw.flow import Silent, run_steps
from etb_hw.flow.steps import STEPS
from etb_hw.flow.trials import Trials, task_of
from etb_hw.report import render
from etb_hw.training.sweep import sweep_ratios

FLOW = Flow(
    data=DataConfig(train_limit=160, test_limit=64),
    model=ModelConfig(widths=(4, 4, 6, 6, 8, 8)),
    training=TrainingConfig(epochs=1, batch=32, threads=1, teacher=TeacherConfig(epochs=1)),
    build=BuildConfig(target_fps=10000),
)


def sweep(flow, folder, ratios=(0.2, 0.4), **more):
    return sweep_ratios(task_of(flow, data.load(flow.data)), folder, ratios, **more)


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep")
    return folder, sweep(FLOW, folder)


def test_a_trial_is_used_as_it_is(swept):
    folder, found = swept
    assert [point.folder for point in found.points] == ["ratio-0.2-seed-0", "ratio-0.4-seed-0"]
    for point in found.points:
        run = folder / point.folder
        pruning = json.loads((run / "pruning.json").read_text())
        resources = json.loads((run / "report/estimate_layer_resources.json").read_text())
        assert point.parameters == pruning["parameters"]["after"]
        assert point.estimate["lut"] == resources["total"]["LUT"]
        assert json.loads((run / "flow.json").read_text())["evolution"]["ratio"] == point.ratio

    class Watch(Silent):
        kept: ClassVar[list[str]] = []

        def finished(self, step, seconds, proofs, resumed):
            self.kept += [step.name] if resumed else []

    trial = Trials(FLOW).of(0.4, 0)
    run_steps(trial, folder / "ratio-0.4-seed-0", STEPS[:6], until="build", observer=Watch())
    assert Watch.kept == ["train", "prune", "export", "streamline", "build"]  # the baseline was left out


def test_all_ratios_learn_from_one_teacher(swept):
    folder, _ = swept
    states = {path.parent.name: path.read_bytes() for path in folder.rglob("teacher.safetensors")}
    assert set(states) == {"seed-0", "ratio-0.2-seed-0", "ratio-0.4-seed-0"}
    assert len(set(states.values())) == 1


def test_the_sweeps_page_opens_those_of_its_trials(swept):
    folder, found = swept
    page = render(folder)
    for point in found.points:
        assert f'href="{point.folder}/report.html"' in page
        assert (folder / point.folder / "report.html").is_file()


def test_a_changed_build_builds_anew_and_trains_nothing(swept):
    folder, found = swept
    trained = [folder / point.folder / "checkpoint.safetensors" for point in found.points]
    before = [path.stat().st_ino for path in trained]
    titles = []
    faster = FLOW.model_copy(update={"build": BuildConfig(target_fps=100000)})
    again = sweep(faster, folder, progress=titles.append)
    assert len(titles) == 2
    assert [path.stat().st_ino for path in trained] == before
    assert [point.accuracy for point in again.points] == [point.accuracy for point in found.points]
    for new, old in zip(again.points, found.points, strict=True):
        assert new.estimate["fps"] >= 100000 > old.estimate["fps"]
        assert new.estimate["lut"] != old.estimate["lut"]
    assert sweep(faster, folder, progress=titles.append) == again
    assert len(titles) == 2


def test_a_flow_without_hardware_keeps_checkpoint_and_graph(tmp_path):
    flow = FLOW.model_copy(update={"build": BuildConfig()})
    (point,) = sweep(flow, tmp_path, [0.2]).points
    assert point.estimate == {}
    assert (tmp_path / point.folder / "streamlined.onnx").is_file()
    assert (tmp_path / point.folder / "report.html").is_file()


@pytest.mark.slow
def test_several_processes_share_the_trials(tmp_path):
    found = sweep(FLOW, tmp_path, (0.2, 0.3, 0.4), jobs=2)
    assert [point.ratio for point in found.points] == [0.2, 0.3, 0.4]
