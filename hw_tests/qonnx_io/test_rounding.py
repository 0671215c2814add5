"""Rounding of a float executor is told from a wrong number."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
from click.testing import CliRunner

from etb_hw.cli import main
from etb_hw.integer import IntegerGraph
from etb_hw.integer.reference import execute as reference
from etb_hw.qonnx_io import execute, import_model, without_rounding
from hw_tests.fuzz.onnx_emitter import Emitter


def learned(scale: float = 0.037) -> onnx.ModelProto:
    rng = np.random.default_rng(0)
    out = Emitter((30,), "UINT8")
    y = out.node("MatMul", "x", out.const(rng.choice([-1, 1], (30, 24))))
    y = out.node("BipolarQuant", out.node("Add", y, out.const(0.5)), out.const(0.73))
    return out.model(out.node("MatMul", y, out.const(rng.choice([-scale, scale], (24, 5)))))


def outputs(model: onnx.ModelProto) -> tuple[IntegerGraph, np.ndarray, np.ndarray]:
    graph, x = import_model(model), np.random.default_rng(1).integers(0, 256, (40, 30))
    return graph, graph.dequantize(reference(graph, x)), execute(model, x)


def test_rounded_sums_become_exact() -> None:
    graph, ours, golden = outputs(learned())
    assert (ours != golden).any(), "the example has to round somewhere"
    np.testing.assert_array_equal(without_rounding(graph, golden), ours)


def test_wrong_numbers_stay_wrong() -> None:
    graph, ours, golden = outputs(learned())
    unit = float(graph.dequant.apply(np.ones(1))[0])
    for error in (0.02, -0.3, 1.0, 2.0):
        changed = golden.copy()
        changed[3, 2] += error * unit
        assert (without_rounding(graph, changed) != ours).sum() == 1


def test_exact_scales_forgive_nothing() -> None:
    graph = import_model(_exact())
    values = np.asarray([[1.0, 2.0 + 1e-6]], dtype=np.float32)
    assert without_rounding(graph, values) is values


def _exact() -> onnx.ModelProto:
    out = Emitter((3,), "INT4")
    return out.model(out.node("MatMul", "x", out.const(np.full((3, 2), 0.25))))


def test_a_network_with_learned_scales_builds(tmp_path: Path) -> None:
    onnx.save(learned(), str(tmp_path / "model.onnx"))
    arguments = ["build", str(tmp_path / "model.onnx"), "--target-fps", "100", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    assert all(row["mismatches"] == 0 for row in json.loads((tmp_path / "out/verification.json").read_text()))
