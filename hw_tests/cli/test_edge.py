"""What reaches the user when something goes wrong: one message, an exit code, and never a traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result

from etb_hw.cli import main as entry
from etb_hw.cli.main import LazyGroup, main
from hw_tests.fuzz.onnx_emitter import Emitter


def failing(error: BaseException) -> Result:
    """A command of ours that ends with ``error``."""

    @click.group(cls=LazyGroup)
    def group() -> None:
        raise error

    return CliRunner().invoke(group, ["doctor"])


@pytest.mark.parametrize(
    ("error", "words", "code"),
    [
        (OSError(28, "No space left on device", "runs/x"), ("runs/x", "no space left", "free some space"), 2),
        (
            PermissionError(13, "Permission denied", "/root/x"),
            ("/root/x", "permission denied", "may read"),
            2,
        ),
        (NotADirectoryError(20, "Not a directory", "a/b"), ("a/b", "a file stands"), 2),
        (MemoryError(), ("memory", "smaller input"), 2),
        (RecursionError(), ("nested too deeply",), 2),
        (KeyboardInterrupt(), ("stopped. Nothing is lost",), 130),
    ],
)
def test_errors_of_the_machine_are_explained(error: BaseException, words: tuple[str, ...], code: int) -> None:
    result = failing(error)
    assert result.exit_code == code
    assert all(word in result.output for word in words)
    assert "bug" not in result.output


def test_what_nobody_foresaw_is_one_message_and_a_log() -> None:
    result = failing(ZeroDivisionError("by nothing"))
    assert result.exit_code == 1
    assert "ZeroDivisionError: by nothing" in result.output
    assert "Traceback" not in result.output
    log = Path(result.output.split("report it with ")[1].strip())
    assert "Traceback" in log.read_text(encoding="utf-8")
    log.unlink()


@pytest.mark.parametrize("command", ["build", "streamline", "simulate"])
def test_names_with_brackets_are_text(command: str, tmp_path: Path) -> None:
    name = "x[/red][bold].onnx"
    result = CliRunner().invoke(main, [command, str(tmp_path / name)])
    assert result.exit_code == 2
    assert name in result.output


@pytest.mark.parametrize("command", ["build", "streamline", "run"])
@pytest.mark.timeout(60)
def test_pipes_and_devices_are_not_read(command: str, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.onnx"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/zero"), tmp_path):
        result = CliRunner().invoke(main, [command, str(path)])
        assert result.exit_code == 2
        assert str(path) in result.output


@pytest.mark.parametrize(
    "text",
    [
        "[training]\nlr = inf\n",
        "[training]\nwarmup_epochs = nan\n",
        f"[training]\nepochs = {'9' * 5000}\n",
        f"x = {'[' * 5000}{']' * 5000}\n",
        "[model]\nwidth = 1e308\n",
        "[model]\nwidths = [1000000000]\n",
        "[training]\nwarmup_epochs = 1e308\n",
        "[training]\nthreads = 1000000\n",
        "[data]\nimage_size = [0, 0]\n",
        "[evolution]\ncaps = [-1.0]\n",
        '[data]\nname = "npz"\npath = "~nouser/x.npz"\n',
        f'[data]\nname = "npz"\npath = "{"x" * 5000}.npz"\n',
    ],
)
def test_flow_files_out_of_this_world(text: str, tmp_path: Path) -> None:
    path = tmp_path / "flow.toml"
    path.write_text(text, encoding="utf-8")
    result = CliRunner().invoke(main, ["run", str(path), "--out", str(tmp_path / "run")])
    assert result.exit_code == 2, result.output
    assert "remedy" in result.output


SWALLOWS = """
import sys, time, types
from etb_hw.cli.main import COMMANDS, main
import importlib.abc, importlib.machinery
class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path, target=None):
        return importlib.machinery.ModuleSpec(name, self) if name == "etb_hw.cli.doctor" else None
    def exec_module(self, module):
        print("loading", flush=True)
        for _ in range(2):
            try:
                time.sleep(20)
            except BaseException:
                pass
sys.meta_path.insert(0, Finder())
main(["doctor"])
"""


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_is_obeyed_while_libraries_load(sent: signal.Signals) -> None:
    """And what clusters and containers send in its place."""
    running = subprocess.Popen(
        [sys.executable, "-c", SWALLOWS], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert running.stdout is not None
    assert running.stdout.readline() == b"loading\n"
    time.sleep(0.2)
    running.send_signal(sent)
    _, complaint = running.communicate(timeout=10)
    assert running.returncode == 130
    assert b"stopped" in complaint


def test_the_handler_of_before_is_back_after_a_command() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    CliRunner().invoke(entry, ["devices"])
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_terminal_without_a_word_for_a_tick_gets_the_rest() -> None:
    code = "import sys; from etb_hw.cli import main; sys.argv = ['etb-hw', 'doctor']; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env={**os.environ, "PYTHONIOENCODING": "ascii"},
        check=False,
    )  # fmt: skip
    assert b"UnicodeEncodeError" not in done.stderr
    assert b"verilator" in done.stdout.lower()


@pytest.mark.parametrize(
    ("build", "said"),
    [
        ('device = "nope"', "device 'nope'"),
        ('folding_config = "missing.json"', "missing.json: does not exist"),
        ('builder = "finn"\nweights = "writable"\ntarget_fps = 1000', "writable weights"),
        ("target_fps = 1e9", "is more than the 100,000,000 cycles a second"),
        ("", "says neither a frame rate nor a device"),
    ],
)
def test_what_cannot_be_built_is_told_before_the_training(build: str, said: str, tmp_path: Path) -> None:
    flow = tmp_path / "f.toml"
    flow.write_text(f'[model]\nname = "tfc"\n[build]\n{build}\n')
    done = CliRunner().invoke(entry, ["run", str(flow), "--out", str(tmp_path / "r")])
    assert done.exit_code != 0
    assert said in done.output
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("streamline", "{model}", "--input-scale", "1e-400"), "cannot be used as a factor"),
        (("streamline", "{model}", "--input-scale", "1e400"), "cannot be used as a factor"),
        (("simulate", "{model}", "--data", "npz:/dev/zero"), "no regular file"),
        (("simulate", "{model}", "--data", "npz:\0"), "cannot be used"),
        (("simulate", "a\0b.onnx"), "null byte"),
        (("build", "{model}", "--clk-ns", "1e-300"), "greater than or equal to 0.01"),
        (("build", "{model}", "--target-fps", "1e300"), "numbers go up to"),
    ],
)
@pytest.mark.timeout(60)
def test_options_out_of_this_world(arguments: tuple[str, ...], words: str, tmp_path: Path) -> None:
    model = tmp_path / "model.onnx"
    out = Emitter((1, 8, 8), "UINT8")
    weights = out.const(np.ones((64, 3)))
    onnx.save(out.model(out.node("MatMul", out.node("Flatten", "x"), weights)), str(model))
    result = CliRunner().invoke(main, [argument.format(model=model) for argument in arguments])
    assert result.exit_code == 2, result.output
    assert words in result.output.replace("\n", " ")
    assert "remedy" in result.output


@pytest.mark.parametrize(
    "arguments",
    [("package", "x.onnx", "--board", "ulx3s-85f", "--clock-mhz"), ("simulate", "x.onnx", "--stalls")],
)
def test_nan_lies_between_no_numbers(arguments: tuple[str, ...]) -> None:
    result = CliRunner().invoke(main, [*arguments, "nan"])
    assert result.exit_code == 2
    assert "nan is no number" in result.output
