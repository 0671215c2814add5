"""What scripts rely on: JSON documents, result files, data without labels or training files."""

from __future__ import annotations

import gzip
import json
import shutil
import struct
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
import onnx
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner, Result
from PIL import Image

from etb_hw import board
from etb_hw.cli import main
from etb_hw.cli.main import COMMANDS
from etb_hw.cli.output import Output
from etb_hw.cli.terminal import TerminalObserver
from etb_hw.flow.steps import STEPS
from etb_hw.qonnx_io import execute
from hw_tests.fuzz.onnx_emitter import Emitter

RNG = np.random.default_rng(2)
IMAGES = RNG.integers(0, 256, (7, 1, 8, 8)).astype(np.uint8)
LABELS = RNG.integers(0, 10, 7)


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def model(tmp_path: Path) -> Path:
    out = Emitter((1, 8, 8), "UINT8")
    weights = np.random.default_rng(0).choice([-1, 1], (64, 10))
    path = tmp_path / "model.onnx"
    onnx.save(out.model(out.node("MatMul", out.node("Flatten", "x"), out.const(weights))), str(path))
    return path


def idx(path: Path, values: np.ndarray) -> None:
    head = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    with gzip.open(path, "wb") as file:
        file.write(head + values.astype(np.uint8).tobytes())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_can_be_quiet_and_speak_json(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    flags = {flag for option in command.params for flag in option.opts}
    assert {"--json", "--quiet", "-q", "--verbose", "-v"} <= flags


def test_one_document_and_nothing_else(model: Path, tmp_path: Path) -> None:
    """Each command writes one document to standard output, and with --quiet nothing at all."""
    out = tmp_path / "out"
    for args, key in (
        (("init",), "digits"),
        (("init", "digits", "--out", out / "digits.toml"), "file"),
        (("doctor",), 0),
        (("devices",), 0),
        (("streamline", model, "--out", out / "s.onnx"), "proof"),
        (("build", model, "--out", out / "build", "--target-fps", "1000"), "blocks"),
        (("compare", model, "--target-fps", "1000", "--out", out / "compare"), "at_equal_fps"),
        (("rtl", out / "build/dataflow.onnx", "--out", out / "rtl"), "files"),
        (("report", out / "build", "--out", out / "page.html"), "file"),
        (("simulate", model, "--limit", "20"), "images"),
    ):
        check_document(args, key)


@pytest.mark.slow
def test_one_document_of_commands_that_train_or_use_tools(model: Path, tmp_path: Path) -> None:
    design, flow, ulx = tmp_path / "build/dataflow.onnx", tmp_path / "flow.toml", "ulx3s-85f"
    flow.write_text(
        "[model]\nwidth = 0.1\n[training]\nepochs = 1\nteacher = { epochs = 0 }\n[build]\ntarget_fps = 1000\n"
    )
    assert call("build", model, "--target-fps", "1000").exit_code == 0
    for args, key in (
        (("simulate", model, "--limit", "2", "--engine", "rtl", "--target-fps", "10000"), "latency_cycles"),
        (("synth", design, "--family", "ice40"), "rows"),
        (("synth", design, "--place", "25k"), "fmax_mhz"),
        (("package", design, "--board", ulx, "--no-place", "--out", tmp_path / "board"), "proof"),
        (("run", flow, "--out", tmp_path / "run"), "summary"),
        (("export", tmp_path / "run/checkpoint.safetensors", "--out", tmp_path / "m.onnx"), "file"),
        (("publish", tmp_path / "run", "--out", tmp_path / "card"), "files"),
        (("sweep", flow, "--ratios", "0.2", "--out", tmp_path / "sweep"), "points"),
        (("baselines", flow, "--seeds", "1", "--out", tmp_path / "baselines"), "runs"),
    ):
        check_document(args, key)


def check_document(args: tuple[object, ...], key: str | int) -> None:
    done = call(*args, "--json")
    assert done.exit_code == 0, (args, done.output)
    assert json.loads(done.stdout)[key]
    silent = call(*args, "--quiet")
    assert silent.exit_code == 0, (args, silent.output)
    assert silent.output == ""


def test_an_error_leaves_standard_output_empty() -> None:
    done = call("build", "nowhere.onnx", "--target-fps", "1000", "--json")
    assert done.exit_code == 2
    assert done.stdout == ""
    assert "nowhere.onnx" in done.stderr


def test_a_log_gets_a_line_a_stage_and_one_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("etb_hw.cli.progress.EVERY", 0.01)
    with Output().progress("mapping") as bar:
        bar.stage("routing")
        bar.update(3, 4000)
        while "3 of 4,000" not in (said := capsys.readouterr().err):
            pass
    assert "routing: 3 of 4,000 (0 s)" in said
    with Output(quiet=True).progress("mapping") as bar:
        bar.stage("routing")
    assert capsys.readouterr() == ("", "")


def test_a_log_names_the_phase_of_training(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("etb_hw.cli.progress.EVERY", 0.01)
    with TerminalObserver(Output()) as observer:
        observer.started(STEPS[0])
        observer.progress(30, 1560, {"loss": 2.0}, "teacher")
        while "30 of 1,560" not in (said := capsys.readouterr().err):
            pass
    assert "30 of 1,560, teacher  loss 2 (" in said


@pytest.mark.parametrize(
    ("words", "start", "expected"),
    [
        ([], "sy", "synth"),
        (["run"], "dig", "digits"),
        (["run", "digits", "--until"], "stream", "streamline"),
        (["build", "m.onnx", "--device"], "Pynq", "Pynq-Z1"),
        (["package", "d.onnx", "--board"], "ulx", "ulx3s-85f"),
        (["simulate", "m.onnx", "--data"], "cif", "cifar10:"),
    ],
)
def test_the_shell_completes_names(words: list[str], start: str, expected: str) -> None:
    found = ShellComplete(main, {}, "etb-hw", "_ETB_HW_COMPLETE").get_completions(words, start)
    assert expected in [item.value for item in found]
    if words[:1] == ["run"] and len(words) == 1:
        assert found[-1].type == "file"


def test_a_simulation_as_json(model: Path) -> None:
    found = json.loads(call("simulate", model, "--limit", "30", "--json").output)
    assert found["images"] == 30
    assert found["proof"]["status"] == "equal"
    assert np.sum(found["confusion"]) == 30


def test_results_without_labels(model: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", IMAGES)
    expected = execute(model, IMAGES)
    for ending in ("npy", "csv", "json"):
        done = call("simulate", model, "--data", tmp_path / "images.npy", "--out", tmp_path / f"r.{ending}")
        assert done.exit_code == 0, done.output
        assert "accuracy" not in done.output
    np.testing.assert_array_equal(np.load(tmp_path / "r.npy"), expected)
    rows = (tmp_path / "r.csv").read_text().splitlines()
    assert rows[0] == "image,class"
    assert rows[1:] == [f"{i},{c}" for i, c in enumerate(expected.argmax(axis=1))]
    assert json.loads((tmp_path / "r.json").read_text())["accuracy"] is None
    for more, name, said in (
        ((), "r.txt", "is no .json, .npy or .csv file"),
        (("--trace", "input_0"), "r.csv", "is no .npy file"),
        (("--engine", "rtl", "--target-fps", "1000"), "r.npy", "the rtl engine"),
    ):
        out = tmp_path / "nowhere" / name
        wrong = call("simulate", model, "--data", tmp_path / "images.npy", "--out", out, *more)
        assert wrong.exit_code == 2
        assert f"--out {out}: " in wrong.output
        assert said in wrong.output
        assert not out.parent.exists()
    wrong = call(
        "simulate", model, "--data", tmp_path / "images.npy", "--trace", "input_0", "--engine", "rtl"
    )
    assert wrong.exit_code == 2
    assert "--trace input_0: writes values of the integer graph" in wrong.output


def test_a_traced_layer_is_written_where_it_is_asked_for(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save(tmp_path / "images.npy", IMAGES)
    monkeypatch.chdir(tmp_path)
    trace = ("simulate", model, "--data", "images.npy", "--trace", "input_0")
    for more, name in (((), "trace.npy"), (("--out", "input.npy"), "input.npy")):
        assert name in call(*trace, *more).stdout
        np.testing.assert_array_equal(np.load(name), IMAGES)
        Path(name).unlink()
    assert not Path("trace.npy").exists()


def features(dtype: str, path: Path) -> np.ndarray:
    """A layer over 6 features of a type; its weights."""
    out = Emitter((6,), dtype)
    weights = np.random.default_rng(0).choice([-1, 1], (6, 4))
    onnx.save(out.model(out.node("MatMul", "x", out.const(weights))), str(path))
    return weights


@pytest.mark.parametrize(
    ("dtype", "values", "wrong"),
    [
        ("INT8", range(-128, 128), 200),
        ("INT4", range(-8, 8), -9),
        ("UINT2", range(4), -1),
        ("TERNARY", (-1, 0, 1), 2),
        ("BIPOLAR", (-1, 1), 0),
        ("UINT8", range(256), -3),
        ("INT12", range(-2048, 2048), 2048),
        ("UINT16", range(65536), 65536),
    ],
)
def test_features_of_every_input_type(dtype: str, values: Sequence[int], wrong: int, tmp_path: Path) -> None:
    """Without labels; what is no value of the type is refused, with the values that are."""
    weights = features(dtype, tmp_path / "m.onnx")
    x = np.random.default_rng(1).choice(values, (20, 6))
    np.save(tmp_path / "x.npy", x)
    call_on = ("simulate", tmp_path / "m.onnx", "--data", tmp_path / "x.npy")
    done = call(*call_on, "--out", tmp_path / "y.npy")
    assert done.exit_code == 0, done.output
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), x @ weights)
    x[3, 3] = wrong
    np.save(tmp_path / "x.npy", x)
    done = call(*call_on)
    assert done.exit_code == 2
    assert f"the model takes {dtype}" in done.output
    assert f"integers of {min(values)}" in done.output


def test_test_files_are_enough(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mnist"
    folder.mkdir()
    idx(folder / "t10k-images-idx3-ubyte.gz", IMAGES[:, 0])
    idx(folder / "t10k-labels-idx1-ubyte.gz", LABELS)
    np.savez(tmp_path / "only.npz", test_x=IMAGES)
    for data in (f"mnist:{folder}", folder):
        done = call("simulate", model, "--data", data)
        assert done.exit_code == 0, done.output
        assert "accuracy" in done.output
    done = call("simulate", model, "--data", tmp_path / "only.npz")
    assert done.exit_code == 0, done.output


def test_a_folder_says_itself_what_it_holds(tmp_path: Path) -> None:
    """CIFAR-10's test batch alone, and an image a file in a folder a class."""
    out = Emitter((3, 32, 32), "UINT8")
    weights = out.const(np.random.default_rng(0).choice([-1, 1], (3072, 10)))
    onnx.save(out.model(out.node("MatMul", out.node("Flatten", "x"), weights)), str(tmp_path / "m.onnx"))
    images = RNG.integers(0, 256, (10_000, 3, 32, 32), dtype=np.uint8)
    rows = np.concatenate([(np.arange(10_000, dtype=np.uint8) % 10)[:, None], images.reshape(10_000, -1)], 1)
    cifar, classes = tmp_path / "cifar-10-batches-bin", tmp_path / "classes"
    cifar.mkdir()
    (cifar / "test_batch.bin").write_bytes(rows.tobytes())
    for i in range(20):
        (classes / "test" / f"c{i % 10}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(images[i].transpose(1, 2, 0)).save(classes / "test" / f"c{i % 10}" / f"{i}.png")
    shutil.copytree(classes / "test", classes / "train")
    expected = execute(tmp_path / "m.onnx", images[:20]).argmax(axis=1)
    for data in (cifar, tmp_path, classes):
        options = ("--data", data, "--limit", 20, "--out", tmp_path / "r.csv", "--force")
        done = call("simulate", tmp_path / "m.onnx", *options)
        assert done.exit_code == 0, done.output
        found = [int(row.split(",")[1]) for row in (tmp_path / "r.csv").read_text().splitlines()[1:]]
        assert sorted(found) == sorted(expected), data


def test_a_network_and_a_design_are_told_apart(model: Path, tmp_path: Path) -> None:
    assert call("build", model, "--target-fps", "1000", "--out", tmp_path).exit_code == 0
    design = tmp_path / "dataflow.onnx"
    for command, said in (
        (("build", design, "--target-fps", "1000"), "this is a design, mapped already"),
        (("rtl", model), f"{model}: holds a network"),
        (("synth", model), f"{model}: holds a network"),
    ):
        done = call(*command)
        assert done.exit_code == 2
        assert said in done.stderr


def test_what_is_said_to_be_forced_can_be(model: Path, tmp_path: Path) -> None:
    """Every command that names ``--force`` as the remedy takes it, and then replaces what is there."""
    assert call("build", model, "--target-fps", "1000", "--out", tmp_path / "made").exit_code == 0
    for arguments, file in (
        (("build", model, "--target-fps", "1000", "--out", tmp_path / "b"), "b/dataflow.onnx"),
        (("rtl", tmp_path / "made/dataflow.onnx", "--out", tmp_path / "r"), "r/etb_top.sv"),
        (("streamline", model, "--out", tmp_path / "s.onnx"), "s.onnx"),
        (("compare", model, "--target-fps", "1000", "--out", tmp_path / "c"), "c/comparison.json"),
        (("report", tmp_path / "made", "--out", tmp_path / "p.html"), "p.html"),
        (("simulate", model, "--limit", "5", "--out", tmp_path / "y.npy"), "y.npy"),
        (("init", "digits", "--out", tmp_path / "f.toml"), "f.toml"),
    ):
        path = tmp_path / file
        path.parent.mkdir(exist_ok=True)
        path.write_text("of the user")
        refused = call(*arguments)
        assert refused.exit_code == 2, (arguments, refused.output)
        assert "--force" in refused.output
        assert path.read_text() == "of the user"
        forced = call(*arguments, "--force")
        assert forced.exit_code == 0, (arguments, forced.output)
        assert path.read_bytes() != b"of the user"


def test_a_package_that_cannot_be_written_is_told_before_it_is_made(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proving and routing take minutes."""
    assert not call("build", model, "--out", tmp_path, "--target-fps", "1000").exit_code

    def make(*_: object, **__: object) -> None:
        raise AssertionError("it is made")

    monkeypatch.setattr(board, "package", make)
    done = call("package", tmp_path / "dataflow.onnx", "--board", "pynq-z2", "--out", model)
    assert done.exit_code == 2
    assert f"{model}: file exists" in done.stderr


def test_bombs_are_not_unpacked(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("etb_hw.data.npz.LARGEST", 10_000)
    np.savez_compressed(tmp_path / "bomb.npz", test_x=np.zeros((1000, 1, 8, 8), dtype=np.uint8))
    done = call("simulate", model, "--data", tmp_path / "bomb.npz")
    assert done.exit_code == 2
    assert "unpacks to 64,128 bytes" in done.output


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY\x01\x00junk", np.lib.format.MAGIC_PREFIX])
def test_damaged_arrays_are_named(model: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.npy").write_bytes(content)
    done = call("simulate", model, "--data", tmp_path / "x.npy")
    assert done.exit_code == 2
    assert "x.npy" in done.output


def test_the_interval_of_two_frames_is_not_none(model: Path) -> None:
    done = call("simulate", model, "--limit", "2", "--engine", "rtl", "--target-fps", "10000")
    assert done.exit_code == 0, done.output
    assert "None" not in done.output
