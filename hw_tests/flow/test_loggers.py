"""Loggers are told what training does, step by step, and get the report; they change no result."""

import json
import math
from importlib.util import find_spec

import pytest
from click.testing import CliRunner
from safetensors.numpy import load_file

from etb_hw.cli import main
from etb_hw.config import load_flow
from etb_hw.flow import run_steps
from etb_hw.flow.loggers import Loggers
from etb_hw.flow.steps import STEPS

FLOW = """
[data]
name = "digits"
train_limit = 320
test_limit = 64
[model]
widths = [6, 6, 8, 8, 12, 12]
[training]
epochs = 3
batch = 32
threads = 1
[training.teacher]
epochs = 1
[evolution]
ratio = 0.4
[logging]
to = {to}
"""
LINES, FAILS = "hw_tests.flow.told:Lines", "hw_tests.flow.told:Fails"


def flow(tmp_path, to):
    path = tmp_path / f"flow-{abs(hash(tuple(to)))}.toml"
    path.write_text(FLOW.replace("{to}", json.dumps(to)))
    return path


def train(tmp_path, to, out, until="train"):
    return run_steps(load_flow(flow(tmp_path, to)), tmp_path / out, STEPS, until=until)


def told(folder, part="train"):
    return [json.loads(line) for line in (folder / f"told-{part}.jsonl").read_text().splitlines()]


def test_a_logger_of_the_user_is_told_all_and_changes_nothing(tmp_path):
    train(tmp_path, [LINES], "with", until="baseline")
    rows = told(tmp_path / "with")
    assert rows[0] == {"begin": 10, "epochs": 3}
    losses = {row["step"]: row["loss"] for row in rows if "loss" in row}
    assert list(losses) == [10, 20, 30]  # not the teacher's steps
    assert all(math.isfinite(loss) for loss in losses.values())
    accuracies = [(row["step"], row["accuracy"]) for row in rows if "accuracy" in row]
    metrics = [json.loads(line) for line in (tmp_path / "with/metrics.jsonl").read_text().splitlines()]
    assert accuracies == [(row["step"], row["accuracy"]) for row in metrics]
    seen = {row["histogram"]: row for row in rows if "histogram" in row and row["step"] == 10}
    weights = [name for name in seen if name.endswith("weights")]
    assert len(weights) == 7  # layers with weights
    assert seen["thresholds/conv1 weights"]["shape"] == [6]
    assert metrics[0]["weight_thresholds"]["conv1"] == pytest.approx(seen["thresholds/conv1 weights"]["mean"])
    assert {row["step"] for row in rows if "histogram" in row} == {10, 20}  # at 30 all is binary
    assert {row["step"] for row in told(tmp_path / "with", "baseline") if "loss" in row} == {10, 20, 30}

    train(tmp_path, [], "without")
    ours, theirs = (load_file(tmp_path / run / "checkpoint.safetensors") for run in ("with", "without"))
    assert all((ours[name] == theirs[name]).all() for name in theirs)


def test_a_logger_that_fails_is_named_and_the_run_goes_on_from_there(tmp_path):
    command = ["train", str(flow(tmp_path, [FAILS])), "--out", str(tmp_path / "run")]
    failed = CliRunner().invoke(main, command)
    assert failed.exit_code == 1
    assert f"{FAILS}: raised OSError: the server is gone" in failed.stderr
    train(tmp_path, [LINES], "run")
    assert told(tmp_path / "run")[-1].get("step") == 30
    begun = [row["begin"] for row in told(tmp_path / "run") if "begin" in row]
    assert begun == [10, 30]  # the steps before were not made again
    train(tmp_path, [], "undisturbed")
    ours, theirs = (load_file(tmp_path / run / "checkpoint.safetensors") for run in ("run", "undisturbed"))
    assert all((ours[name] == theirs[name]).all() for name in theirs)


@pytest.mark.parametrize(
    ("to", "message"),
    [
        ("nothing_of_this_name:Logger", "cannot be imported"),
        ("hw_tests.flow.told:Missing", "is no class"),
        ("my_loggers", 'name it "module:class"'),
    ],
)
def test_names_that_lead_nowhere_are_refused_before_training(to, message, tmp_path):
    result = CliRunner().invoke(main, ["train", str(flow(tmp_path, [to])), "--out", str(tmp_path / "run")])
    assert result.exit_code == 2
    assert message in result.stderr
    assert not (tmp_path / "run/teacher.safetensors").exists()


def test_tensorboard_is_told_where_it_is_installed_and_asked_for_where_not(tmp_path):
    if find_spec("tensorboard") is None:
        result = CliRunner().invoke(
            main, ["train", str(flow(tmp_path, ["tensorboard"])), "--out", str(tmp_path / "run")]
        )
        assert result.exit_code == 2
        assert "pip install tensorboard" in result.stderr
        with Loggers(load_flow(flow(tmp_path, ["auto"])), tmp_path / "auto", "train") as loggers:
            loggers.scalars(1, {"loss": 1.0})
        assert not (tmp_path / "auto").exists()
    else:
        train(tmp_path, ["auto"], "run")
        assert list((tmp_path / "run/tensorboard/train").iterdir())
