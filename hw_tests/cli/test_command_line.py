"""The command line as a user meets it: help, and errors without tracebacks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from etb_hw.cli.main import COMMANDS, main


def call(*args: str) -> Result:
    return CliRunner().invoke(main, args)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str) -> None:
    result = call(name, "--help")
    assert result.exit_code == 0
    assert result.output.startswith("Usage:")


def test_help_lists_all_commands_and_an_unknown_one_is_explained() -> None:
    text = call("--help").output
    assert all(name in text for name in COMMANDS)
    result = call("biuld")
    assert result.exit_code == 2
    assert "no command 'biuld'" in result.output


@pytest.mark.parametrize(
    "args",
    [
        ("run", "nowhere.toml"),
        ("build", "nowhere.onnx", "--target-fps", "100"),
        ("streamline", "nowhere.onnx"),
        ("simulate", "nowhere.onnx"),
        ("rtl", "nowhere.onnx"),
        ("report", "nowhere"),
    ],
)
def test_a_missing_file_ends_with_code_2_and_names_it(args: tuple[str, ...]) -> None:
    result = call(*args)
    assert result.exit_code == 2
    assert "nowhere" in result.output
    assert "remedy" in result.output


def test_no_traceback_from_the_real_command(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"\x08\x07\x12not really")
    args = [
        sys.executable,
        "-m",
        "etb_hw",
        "build",
        str(tmp_path / "bad.onnx"),
        "--out",
        str(tmp_path / "out"),
    ]
    result = subprocess.run(args, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "bad.onnx" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "out").exists()
