"""The whole flow in a reduced form: every file, every proof, resuming, and what a broken file does."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from etb_hw import data
from etb_hw.artifacts import RUN_FILES, Folder, RunFile
from etb_hw.artifacts.run_files import (
    BASELINE,
    BASELINE_METRICS,
    CHECKPOINT,
    METRICS,
    OUTDATED,
    PAGE,
    SIMULATION,
    SUMMARY,
    TIMES,
)
from etb_hw.board import find_board
from etb_hw.board.describe import build_id
from etb_hw.board.host.serial_line import Accelerator
from etb_hw.board.serial.gateware import gateware
from etb_hw.board.serial.package import description
from etb_hw.board.serial.simulated import SimulatedLine
from etb_hw.cli import main
from etb_hw.config import DataConfig
from etb_hw.dataflow.finn.onnx_reader import read
from etb_hw.flow.steps import STEPS
from etb_hw.integer.packed import PackedExecutor
from etb_hw.qonnx_io import import_model

FLOW = """
[data]
name = "digits"
train_limit = 600
test_limit = 120
[model]
name = "vgg_small"
width = 0.0625
[training]
epochs = 4
threads = 1
[training.teacher]
epochs = 1
[evolution]
ratio = 0.3
[build]
target_fps = 20000
[verification]
real = 24
random = 8
[board]
name = "pynq-z2"
[logging]
to = ["hw_tests.flow.told:Lines"]
"""
PRIVATE = re.compile(
    r"\.lock|told-(train|baseline)\.jsonl|\.steps/|(baseline/)?(training|teacher)\.safetensors(\.before)?$"
)
# they hold how long something took
TIMED = (CHECKPOINT, METRICS, BASELINE, BASELINE_METRICS, SIMULATION, SUMMARY, TIMES, PAGE)
KEYS = (
    "accuracy_torch",
    "accuracy_integer",
    "accuracy_dense_baseline",
    "accuracy_float_teacher",
    "pruned_filter_ratio",
    "pruned_parameter_ratio",
    "size_bytes",
    "estimated_fps",
    "lut",
    "bram_18k",
)


def call(*args: str | Path) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args])


@pytest.fixture(scope="module")
def flow_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("flow") / "tiny.toml"
    path.write_text(FLOW)
    return path


@pytest.fixture(scope="module")
def run_dir(flow_file: Path) -> Path:
    folder = flow_file.with_name("run")
    result = call("run", flow_file, "--out", folder)
    assert result.exit_code == 0, result.output
    return folder


def test_every_file_is_there_and_every_proof_holds(run_dir: Path) -> None:
    there = {str(path.relative_to(run_dir)) for path in run_dir.rglob("*") if path.is_file()}
    declared = {name for file in RUN_FILES for name in file.files(run_dir)}
    assert [file.name for file in RUN_FILES if not isinstance(file, Folder) and file.name not in there] == []
    assert [name for name in sorted(there - declared) if not PRIVATE.match(name)] == []
    rows = json.loads((run_dir / "verification.json").read_text())
    assert len(rows) >= 9
    assert all(row["mismatches"] == 0 and row["status"] == "equal" and row["samples"] > 0 for row in rows)


def test_the_flow_packages_for_its_board(run_dir: Path, tmp_path: Path) -> None:
    """Real digits through the simulated Zynq, both drivers; the row is in verification.json."""
    rows = json.loads((run_dir / "verification.json").read_text())
    row = next(row for row in rows if row["step"] == "board, simulated")
    assert (row["against"], row["samples"], row["mismatches"]) == ("packed simulator", 4, 0)
    assert json.loads((run_dir / "board.json").read_text())["board"] == "TUL PYNQ-Z2"
    assert "4 images of the test set" in (run_dir / "board/README.md").read_text()
    golden = (run_dir / "board/test/frames_in.mem").read_text().split()
    pixels = data.load(DataConfig(name="digits")).test_x[:4].transpose(0, 2, 3, 1).reshape(-1)
    assert [int(word, 16) for word in golden] == pixels.tolist()
    bad = tmp_path / "bad.toml"
    bad.write_text(FLOW.replace("pynq-z2", "pinq-z2"))
    result = call("run", bad, "--out", tmp_path / "run")
    assert result.exit_code == 2
    assert "did you mean pynq-z2" in result.output
    assert not (tmp_path / "run").exists()


def test_the_summary_says_what_the_files_say(run_dir: Path) -> None:
    summary = json.loads((run_dir / "summary.json").read_text())
    assert set(KEYS) <= set(summary)
    assert summary["accuracy_torch"] == summary["accuracy_integer"]
    pruning = json.loads((run_dir / "pruning.json").read_text())
    assert summary["pruned_parameter_ratio"] == pytest.approx(0.3, abs=0.02)
    assert pruning["parameters"]["after"] == sum(row["parameters"]["after"] for row in pruning["layers"])
    performance = json.loads((run_dir / "report/estimate_network_performance.json").read_text())
    assert performance["estimated_throughput_fps"] >= 20000


def test_loggers_get_the_page_and_the_summary(run_dir: Path) -> None:
    told = [json.loads(line) for line in (run_dir / "told-train.jsonl").read_text().splitlines()]
    files = [(row["file"], row["holds"]) for row in told if "file" in row]
    assert files == [(name, (run_dir / name).stat().st_size) for name in ("summary.json", "report.html")]


def test_the_written_model_builds_and_simulates_by_itself(run_dir: Path, tmp_path: Path) -> None:
    model = run_dir / "model.qonnx.onnx"
    built = call("build", model, "--device", "Pynq-Z1", "--max-utilization", "0.2", "--out", tmp_path / "b")
    assert built.exit_code == 0, built.output
    assert "MVAU_hls_0" in built.output
    assert (tmp_path / "b/dataflow.onnx").is_file()
    config = tmp_path / "b/auto_folding_config.json"
    again = call("build", model, "--folding-config", config, "--out", tmp_path / "c")
    assert again.exit_code == 0, again.output
    assert (tmp_path / "c/auto_folding_config.json").read_text() == config.read_text()
    config.write_text('{"Defaults": {}, "MVAU_hls_9": {"PE": 1}}')
    foreign = call("build", model, "--folding-config", config, "--out", tmp_path / "c")
    assert "no block has the name MVAU_hls_9" in foreign.output
    compared = call("compare", run_dir / "baseline/model.qonnx.onnx", model, "--target-fps", "20000")
    assert compared.exit_code == 0, compared.output
    simulated = call("simulate", model, "--limit", "40", "--against", "qonnx")
    assert simulated.exit_code == 0, simulated.output
    assert "40 of 40 images equal" in simulated.output
    streamlined = call("streamline", model, "--out", tmp_path / "s.onnx")
    assert streamlined.exit_code == 0, streamlined.output
    written = call("rtl", run_dir / "dataflow.onnx", "--out", tmp_path / "rtl")
    assert written.exit_code == 0, written.output
    assert (tmp_path / "rtl/etb_top.sv").is_file()


def test_a_run_without_a_trained_baseline(tmp_path: Path) -> None:
    """Half the time: everything but the baseline's accuracy is there, and nothing claims to know it."""
    flow = tmp_path / "flow.toml"
    flow.write_text(FLOW + "[baseline]\ntrain = false\n")
    done = call("run", flow, "--out", tmp_path / "run")
    assert done.exit_code == 0, done.output
    assert "dense baseline" not in done.output
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    assert summary["accuracy_dense_baseline"] is None
    assert summary["comparison"]["at_equal_fps"]["dense"]["resources"]["lut"] > summary["lut"] / 2
    published = call("publish", tmp_path / "run", "--out", tmp_path / "card")
    assert published.exit_code == 0, published.output
    assert "same recipe" not in (tmp_path / "card/README.md").read_text()


def test_real_digits_through_the_simulated_board(run_dir: Path) -> None:
    """From the host's bytes to the class: host program, serial line, checksums, design."""
    dataset = data.load(DataConfig(name="digits"))
    images, graph = dataset.test_x[:6], import_model(run_dir / "streamlined.onnx")
    design = read(run_dir / "dataflow.onnx")
    about = description(design, find_board("ulx3s-85f"), 50.0, build_id(gateware(design)))
    with SimulatedLine(design, about["build"]) as line:
        logits = Accelerator(line, about).infer(images.transpose(0, 2, 3, 1))
    assert np.array_equal(logits.reshape(6, -1), PackedExecutor(graph).run(images).reshape(6, -1))


def test_no_command_writes_over_a_run_or_over_the_users_files(run_dir: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in run_dir.rglob("*") if path.is_file()}
    model = run_dir / "model.qonnx.onnx"
    commands: tuple[tuple[str | Path, ...], ...] = (
        ("build", model, "--target-fps", "30000", "--out", run_dir),
        ("streamline", model, "--out", run_dir / "model.finn.onnx"),
        ("report", run_dir, "--out", run_dir / "flow.json"),
        ("export", run_dir / "checkpoint.safetensors", "--out", run_dir / "checkpoint.safetensors"),
    )
    for args in commands:
        result = call(*args)
        assert result.exit_code == 2, result.output
        assert "--force" in result.output
    assert {path: path.read_bytes() for path in run_dir.rglob("*") if path.is_file()} == before
    readme = tmp_path / "README.md"
    readme.write_text("of the user")
    for command in (("rtl", run_dir / "dataflow.onnx"), ("publish", run_dir)):
        result = call(*command, "--out", tmp_path)
        assert "README.md: was not written by" in result.output
        assert readme.read_text() == "of the user"
        forced = call(*command, "--out", tmp_path / command[0])
        assert forced.exit_code == 0, forced.output


def test_a_finished_run_can_be_published_and_exported_without_data(run_dir: Path, tmp_path: Path) -> None:
    published = call("publish", run_dir, "--out", tmp_path / "tiny")
    assert published.exit_code == 0, published.output
    card = (tmp_path / "tiny/README.md").read_text()
    summary = json.loads((run_dir / "summary.json").read_text())
    assert card.startswith("# tiny\n")
    assert f"{100 * summary['accuracy_integer']:.2f} %" in card
    assert f"| float teacher | {100 * summary['accuracy_float_teacher']:.2f} % |" in card
    exported = call("export", tmp_path / "tiny/checkpoint.safetensors")
    assert exported.exit_code == 0, exported.output
    model, original = tmp_path / "tiny/model.qonnx.onnx", run_dir / "model.qonnx.onnx"
    assert model.read_bytes() == original.read_bytes()
    unfinished = call("publish", tmp_path, "--out", tmp_path / "none")
    assert unfinished.exit_code == 2
    assert "run the flow to its end" in unfinished.output
    shutil.copytree(run_dir, tmp_path / "changed")
    OUTDATED.write(tmp_path / "changed", {"summary.json": "report"})
    changed = call("publish", tmp_path / "changed", "--out", tmp_path / "none")
    assert changed.exit_code == 2
    assert "summary.json: is of before the run was changed" in changed.output.replace("\n", " ")
    assert not (tmp_path / "none").exists()


def test_targets_that_cannot_be_met_and_missing_targets_are_explained(run_dir: Path, tmp_path: Path) -> None:
    model = run_dir / "model.qonnx.onnx"
    too_fast = call("build", model, "--target-fps", "1e8", "--out", tmp_path / "b")
    assert too_fast.exit_code == 2
    assert "ask for at most" in too_fast.output
    nothing = call("build", model, "--out", tmp_path / "b")
    assert nothing.exit_code == 2
    assert "--target-fps" in nothing.output
    assert not (tmp_path / "b").exists()


def test_a_second_run_keeps_everything_and_a_damaged_file_is_made_again(
    flow_file: Path, run_dir: Path
) -> None:
    before = {path: path.stat().st_mtime_ns for path in run_dir.glob("*.onnx")}
    again = call("run", flow_file, "--out", run_dir)
    assert again.exit_code == 0, again.output
    assert again.output.count("kept from before") == len(STEPS)
    assert {path: path.stat().st_mtime_ns for path in run_dir.glob("*.onnx")} == before
    (run_dir / "streamlined.onnx").write_bytes(b"damaged")
    times = (run_dir / "times.json").read_bytes()
    mended = call("run", flow_file, "--out", run_dir)
    assert mended.exit_code == 0, mended.output
    # and the page, which says how long each step took, unless that is as many milliseconds as before
    remade = {"streamline", "report"} if (run_dir / "times.json").read_bytes() != times else {"streamline"}
    lines = [line.split() for line in mended.output.splitlines() if line.startswith("✓")]
    assert {words[1] for words in lines if words[-3:] != ["(kept", "from", "before)"]} == remade
    assert len(lines) == len(STEPS)


@pytest.mark.parametrize(
    "file", [file for file in RUN_FILES if not isinstance(file, Folder)], ids=lambda file: file.name
)
@pytest.mark.parametrize("harm", ["flipped", "deleted"])
def test_every_file_of_a_run_is_mended(flow_file: Path, run_dir: Path, file: RunFile, harm: str) -> None:
    path = file.path(run_dir)
    whole = path.read_bytes()
    if harm == "flipped":
        path.write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
    else:
        path.unlink()
    result = call("run", flow_file, "--out", run_dir)
    assert result.exit_code == 0, result.output
    file.check(run_dir)
    if file not in TIMED:
        assert path.read_bytes() == whole


def test_a_truncated_or_changed_file_ends_in_a_clear_error(run_dir: Path, tmp_path: Path) -> None:
    whole = (run_dir / "model.qonnx.onnx").read_bytes()
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(whole[: len(whole) // 2])
    result = call("build", cut, "--target-fps", "100", "--out", tmp_path / "b")
    assert result.exit_code == 2
    assert "cut.onnx" in result.output
    assert "remedy" in result.output


def test_the_dataset_option_is_checked(run_dir: Path) -> None:
    result = call("simulate", run_dir / "model.qonnx.onnx", "--data", "nowhere")
    assert result.exit_code == 2
    assert "is no data set" in result.output
