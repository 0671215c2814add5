"""Training in pieces on a machine with little time: the script goes on where the last piece ended."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FLOW = """
[data]
name = "digits"
train_limit = 256
[model]
name = "vgg_small"
width = 0.125
[training]
epochs = {epochs}
batch = 64
checkpoint_seconds = 2
"""


def piece(flow: Path, seconds: int, out: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = [ROOT / "flows/in_pieces.sh", "train", flow, str(seconds), out]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900)


@pytest.mark.slow
def test_a_piece_that_is_too_short_is_gone_on_with(tmp_path: Path) -> None:
    flow = tmp_path / f"pieces_{tmp_path.name}.toml"
    run = ROOT / "runs" / flow.stem
    flow.write_text(FLOW.format(epochs=20000))
    first = piece(flow, 75, tmp_path / "out")
    assert first.returncode == 3, first.stderr
    assert "go on with the same command" in first.stdout
    steps = [run / "training_state.safetensors", run / "metrics.jsonl"]
    before = steps[1].read_text() if steps[1].exists() else ""
    second = piece(flow, 75, tmp_path / "out")
    assert second.returncode == 3, second.stderr
    assert len(steps[1].read_text()) > len(before)
    assert steps[1].read_text().startswith(before)


@pytest.mark.slow
def test_what_to_take_home_is_small_and_whole(tmp_path: Path) -> None:
    flow = tmp_path / f"whole_{tmp_path.name}.toml"
    flow.write_text(FLOW.format(epochs=2))
    done = piece(flow, 600, tmp_path / "out")
    assert done.returncode == 0, done.stderr
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"checkpoint.safetensors", "metrics.jsonl"} <= names
    assert sum(path.stat().st_size for path in (tmp_path / "out").iterdir()) < 2**20


def test_without_words_it_says_how(tmp_path: Path) -> None:
    done = subprocess.run([ROOT / "flows/in_pieces.sh"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "in_pieces.sh train FLOW.toml SECONDS OUT" in done.stdout
