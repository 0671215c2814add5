"""What Brevitas users have: its example networks, exported by Brevitas alone, through our commands."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from brevitas.export import export_qonnx
from brevitas_examples.bnn_pynq.models.CNV import CNV
from brevitas_examples.bnn_pynq.models.FC import FC
from click.testing import CliRunner
from torch import nn

from etb_hw.cli import main
from etb_hw.integer.reference import execute as reference
from etb_hw.qonnx_io import ImportOptions, import_model
from hw_tests.qonnx_io.test_torch_models import randomise

MAPPING = ["--input-dtype", "uint8", "--input-scale", "1/255"]


def cnv(bits: int) -> tuple[nn.Module, tuple[int, ...]]:
    return CNV(10, bits, bits, 8, 3), (3, 32, 32)


def tfc(bits: int) -> tuple[nn.Module, tuple[int, ...]]:
    return FC(10, bits, bits, bits, in_channels=1, out_features=[64, 64, 64]), (1, 28, 28)


def exported(module: nn.Module, shape: tuple[int, ...], path: Path) -> nn.Module:
    """As a user does it: no cleanup, no annotation."""
    randomise(module)
    export_qonnx(module, args=torch.zeros(1, *shape), export_path=str(path), opset_version=13, dynamo=False)
    return module


@pytest.mark.parametrize("bits", [1, 2])
@pytest.mark.parametrize("build", [cnv, tfc])
def test_import_of_an_uncleaned_export(tmp_path: Path, build, bits: int) -> None:  # type: ignore[no-untyped-def]
    module, shape = build(bits)
    exported(module, shape, tmp_path / "model.onnx")
    options = ImportOptions.parse("uint8", "1/255")
    graph = import_model(tmp_path / "model.onnx", options)
    x = np.random.default_rng(0).integers(0, 256, (4, *shape))
    with torch.no_grad():
        golden = module(torch.from_numpy(graph.to_float(x))).numpy()
    np.testing.assert_array_equal(graph.dequantize(reference(graph, x)), golden)


@pytest.mark.parametrize("build", [tfc, pytest.param(cnv, marks=pytest.mark.slow)])
def test_build_and_simulate(tmp_path: Path, build) -> None:  # type: ignore[no-untyped-def]
    module, shape = build(1)
    exported(module, shape, tmp_path / "model.onnx")
    model, out = str(tmp_path / "model.onnx"), tmp_path / "out"
    runner = CliRunner()
    done = runner.invoke(main, ["build", model, *MAPPING, "--target-fps", "500", "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert all(row["mismatches"] == 0 for row in json.loads((out / "verification.json").read_text()))
    x = np.random.default_rng(0).integers(0, 256, (20, *shape), dtype=np.uint8)
    y = np.arange(20) % 10
    np.savez(tmp_path / "data.npz", train_x=x, train_y=y, test_x=x, test_y=y)
    done = runner.invoke(
        main, ["simulate", model, *MAPPING, "--data", str(tmp_path / "data.npz"), "--against", "qonnx"]
    )
    assert done.exit_code == 0, done.output
