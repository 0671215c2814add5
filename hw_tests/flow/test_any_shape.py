"""Networks that end in an image, begin flat, or define their input by a quantizer: build, simulate, RTL."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result

from etb_hw.cli import main
from hw_tests.fuzz.onnx_emitter import Emitter

RNG = np.random.default_rng(5)


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def save(folder: Path, model: onnx.ModelProto) -> Path:
    path = folder / "model.onnx"
    onnx.save(model, str(path))
    return path


def ends_in_an_image(dtype: str = "UINT8") -> onnx.ModelProto:
    out = Emitter((2, 6, 5), dtype)
    y = out.node("Conv", "x", out.const(RNG.choice([-1, 1], (4, 2, 3, 3))))
    y = out.node("BipolarQuant", out.node("Add", y, out.const(0.5)), out.const(1.0))
    return out.model(out.node("Conv", y, out.const(RNG.choice([-1, 1], (3, 4, 2, 1)))))


def flat_image(size: int = 8) -> onnx.ModelProto:
    out = Emitter((1, size, size), "UINT8")
    y = out.node("MatMul", out.node("Flatten", "x"), out.const(RNG.choice([-1, 1], (size * size, 12))))
    y = out.node("BipolarQuant", out.node("Add", y, out.const(0.5)), out.const(1.0))
    return out.model(out.node("MatMul", y, out.const(RNG.choice([-1, 1], (12, 10)))))


def quantized_first(scale: float = 0.37, signed: int = 1, bits: int = 3) -> onnx.ModelProto:
    out = Emitter((20,))
    y = out.node(
        "Quant",
        "x",
        *(out.const(v) for v in (scale, 0.0, bits)),
        signed=signed,
        narrow=0,
        rounding_mode="ROUND",
    )
    y = out.node("MatMul", y, out.const(RNG.choice([-0.5, 0.5], (20, 16))))
    y = out.node("Add", y, out.const(0.3 * RNG.standard_normal(16)))
    y = out.node(
        "Quant", y, *(out.const(v) for v in (0.9, 0.0, 3.0)), signed=1, narrow=0, rounding_mode="ROUND"
    )
    return out.model(out.node("MatMul", y, out.const(RNG.choice([-1, 1], (16, 4)))))


@pytest.mark.parametrize(
    "model", [ends_in_an_image(), flat_image(), quantized_first(), quantized_first(2.5, 0)]
)
def test_it_builds(tmp_path: Path, model: onnx.ModelProto) -> None:
    done = call("build", save(tmp_path, model), "--target-fps", "1000", "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    rows = json.loads((tmp_path / "out/verification.json").read_text())
    assert [(row["status"], row.get("ties", 0)) for row in rows] == [("equal", 0), ("equal", 0)]


@pytest.mark.parametrize(("scale", "signed", "bits"), [(0.37, 1, 3), (2.5, 0, 3), (2.0**-12, 1, 16)])
def test_an_input_of_any_scale_is_simulated(tmp_path: Path, scale: float, signed: int, bits: int) -> None:
    """Data are the integers of the first quantizer; qonnx, the packed engine and the RTL agree on them."""
    model = save(tmp_path, quantized_first(scale, signed, bits))
    low = -(2 ** (bits - 1)) if signed else 0
    np.save(tmp_path / "x.npy", RNG.integers(low, low + 2**bits, (12, 20)))
    for engine in ("packed", "rtl"):
        more = ("--against", "qonnx") if engine == "packed" else ("--target-fps", "1000", "--limit", "3")
        done = call("simulate", model, "--data", tmp_path / "x.npy", "--engine", engine, *more)
        assert done.exit_code == 0, done.output
        assert "ties" not in done.output


def test_an_image_comes_out_of_the_rtl(tmp_path: Path) -> None:
    data = tmp_path / "data.npz"
    images = RNG.integers(0, 256, (4, 2, 6, 5)).astype(np.uint8)
    labels = np.array([0, 1, 0, 1])
    np.savez(data, train_x=images, train_y=labels, test_x=images, test_y=labels)
    model = save(tmp_path, ends_in_an_image())
    done = call("simulate", model, "--data", data, "--engine", "rtl", "--target-fps", "1000")
    assert done.exit_code == 0, done.output
    assert "every logit equals" in done.output


def test_a_flat_network_takes_images_in_the_rtl(tmp_path: Path) -> None:
    model = save(tmp_path, flat_image())
    done = call("simulate", model, "--limit", "3", "--engine", "rtl", "--target-fps", "1000")
    assert done.exit_code == 0, done.output
    assert "3 images through the RTL" in done.output


def test_simulate_and_streamline_prove_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = save(tmp_path, flat_image())
    done = call("simulate", model, "--limit", "20")
    assert done.exit_code == 0, done.output
    assert "equal to model.onnx in qonnx on 18 inputs" in done.output
    assert "not compared" in call("simulate", model, "--limit", "20", "--proof-samples", "0").output
    assert "on 10 inputs" in call("streamline", model).output


def test_a_wrong_import_is_noticed_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from etb_hw.qonnx_io import thresholds

    right = thresholds.find_thresholds

    def off_by_many(*arguments: object) -> object:
        return right(*arguments) + 40  # type: ignore[arg-type]

    monkeypatch.setattr(thresholds, "find_thresholds", off_by_many)
    model = save(tmp_path, flat_image())
    for command in ("streamline", "simulate"):
        done = call(command, model)
        assert done.exit_code != 0
        assert "samples differ" in done.output
    assert not (tmp_path / "streamlined.onnx").exists()
