"""What scripts rely on: JSON documents, result files, data without labels or training files."""

from __future__ import annotations

import gzip
import json
import struct
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result

from etb_hw.cli import main
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


@pytest.mark.parametrize("command", [("doctor",), ("devices",)])
def test_one_document_and_nothing_else(command: tuple[str, ...]) -> None:
    found = json.loads(call(*command, "--json").output)
    assert len(found) > 5


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
    wrong = call("simulate", model, "--data", tmp_path / "images.npy", "--out", tmp_path / "r.txt")
    assert ".csv" in wrong.output


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
