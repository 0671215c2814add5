"""What `pip install` gives: the flow files, and a hardware side that needs no torch."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from shutil import which

import numpy as np
import onnx
import pytest
from click.testing import CliRunner

from etb_hw.cli import main
from etb_hw.config import load_flow
from etb_hw.flow_files import shipped
from hw_tests.fuzz.onnx_emitter import Emitter

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WITHOUT_TRAINING = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "brevitas", "safetensors", "onnxoptimizer"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
from etb_hw.cli import main
main(sys.argv[1:])
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = Emitter((1, 8, 8), "UINT8")
    weights = np.random.default_rng(0).choice([-1, 1], (64, 10))
    path = tmp_path_factory.mktemp("packaging") / "model.onnx"
    onnx.save(out.model(out.node("MatMul", out.node("Flatten", "x"), out.const(weights))), str(path))
    return path


def without_training(*args: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT_TRAINING, *map(str, args)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_hardware_side_needs_no_torch(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for args in (
        ("streamline", model, "--out", out / "s.onnx"),
        ("build", model, "--out", out / "b", "--target-fps", "1000"),
        ("simulate", model, "--limit", "20", "--against", "qonnx"),
        ("rtl", out / "b/dataflow.onnx", "--out", out / "rtl"),
        ("compare", model, "--target-fps", "1000", "--out", out / "c"),
        ("report", out / "b", "--out", out / "report.html"),
        ("doctor",),
        ("devices",),
        ("init", "digits", "--out", out / "digits.toml"),
    ):
        done = without_training(*args)
        assert done.returncode == 0, (args, done.stdout, done.stderr)


def test_a_command_that_trains_names_the_extra(tmp_path: Path) -> None:
    done = without_training("run", "digits", "--out", tmp_path / "run")
    assert done.returncode == 2
    assert "pip install 'etb-hw[train]'" in done.stderr
    assert "bug" not in done.stderr


def test_init_writes_flows_that_run_takes_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    listed = CliRunner().invoke(main, ["init"]).output
    assert all(name in listed for name in shipped())
    assert CliRunner().invoke(main, ["init", "digits"]).exit_code == 0
    assert load_flow(Path("digits.toml")) == load_flow(ROOT / "flows/digits.toml")
    assert CliRunner().invoke(main, ["init", "digits"]).exit_code == 0  # the same again is no loss
    Path("digits.toml").write_text("[data]\n")
    kept = CliRunner().invoke(main, ["init", "digits"])
    assert kept.exit_code == 2
    assert Path("digits.toml").read_text() == "[data]\n"
    spaced = CliRunner().invoke(main, ["init", "digits", "--out", "x y/ü.toml"])
    assert "then etb-hw run 'x y/ü.toml'" in spaced.output
    unknown = CliRunner().invoke(main, ["init", "digit"])
    assert "digits" in unknown.output


# --- the built wheel, in environments of its own


def interpreters() -> dict[str, str]:
    """Every interpreter at hand whose version the classifiers name."""
    versions = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    managed = {path.name: path for path in (Path.home() / ".pyenv/versions").glob("3.*")}
    found: dict[str, str] = {}
    for version in versions:
        near = [str(path / "bin/python") for name, path in managed.items() if name.startswith(f"{version}.")]
        candidates = [*near, *filter(None, [which(f"python{version}")])]
        if candidates:
            found[version] = candidates[0]
    return found


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    clone, out = tmp_path_factory.mktemp("clone"), tmp_path_factory.mktemp("wheel")
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--wheel-dir",
        str(out),
        str(clone),
    ]
    subprocess.run(command, check=True)
    (path,) = out.glob("*.whl")
    return path


@pytest.mark.slow
@pytest.mark.parametrize("version", sorted(interpreters()))
def test_the_wheel_works_in_a_fresh_environment(
    version: str, wheel: Path, model: Path, tmp_path: Path
) -> None:
    """Install without the extras, then map, simulate and write RTL, far from the repository."""
    env = tmp_path / "env"
    subprocess.run([interpreters()[version], "-m", "venv", str(env)], check=True)
    pip = [str(env / "bin/pip"), "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--constraint", str(ROOT / "constraints.txt"), str(wheel)], check=True)

    def call(*args: object) -> str:
        command = [str(env / "bin/etb-hw"), *map(str, args)]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (args, done.stdout, done.stderr)
        return done.stdout

    assert "digits" in call("init")
    call("init", "digits")
    assert (tmp_path / "digits.toml").is_file()
    call("build", model, "--out", "build", "--target-fps", "1000")
    found = json.loads(call("simulate", model, "--limit", "30", "--json"))
    assert found["proof"]["status"] == "equal"
    call("rtl", "build/dataflow.onnx", "--out", "rtl")
    call("report", "build", "--out", "report.html")
    call("doctor")
    has = subprocess.run([str(env / "bin/python"), "-c", "import torch"], capture_output=True, check=False)
    assert has.returncode != 0


@pytest.mark.parametrize(("asked", "reports"), [(None, False), ("0", True)])
def test_no_library_reports_to_its_maker_unless_asked_to(
    asked: str | None, reports: bool, tmp_path: Path
) -> None:
    """onnxruntime keeps what it is going to send, and the machine's number, below the user's cache folder."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    if asked is not None:
        environment["ORT_DISABLE_TELEMETRY"] = asked
    code = "import etb_hw, onnxruntime, os; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == (asked or "1")
    assert any(tmp_path.rglob("deviceid")) == reports
