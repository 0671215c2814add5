"""Where qonnx's float32 rounds a tie, float64 decides; any other difference stays a difference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from etb_hw.flow.proofs import prove_import
from etb_hw.integer import IntegerGraph
from etb_hw.integer.nodes import Threshold
from etb_hw.integer.reference import execute as reference
from etb_hw.qonnx_io import execute, import_model
from etb_hw.qonnx_io.float64 import execute_in_float64
from etb_hw.verification import ProofFailed
from hw_tests.fuzz.onnx_emitter import Emitter

Ints = NDArray[np.int64]


def tied(momentum: float | None = 0.9) -> onnx.ModelProto:
    """Sums of +-0.7 x are often exactly zero in integers, and hardly ever in float32."""
    rng = np.random.default_rng(3)
    out = Emitter((24,), "INT4")
    y = out.node("MatMul", "x", out.const(0.7 * rng.choice([-1, 1], (24, 40))))
    ones, zeros = out.const(np.ones(40)), out.const(np.zeros(40))
    more = {} if momentum is None else {"momentum": momentum}
    y = out.node("BatchNormalization", y, ones, zeros, zeros, ones, epsilon=0.0, **more)
    y = out.node("BipolarQuant", y, out.const(1.0))
    return out.model(out.node("MatMul", y, out.const(rng.choice([-1, 1], (40, 5)))))


def setting(folder: Path, model: onnx.ModelProto) -> tuple[IntegerGraph, Path, Ints]:
    path = folder / "model.onnx"
    onnx.save(model, str(path))
    graph = import_model(path)
    return graph, path, np.random.default_rng(0).integers(-8, 8, (60, *graph.input.shape))


@pytest.mark.parametrize("momentum", [0.9, None])
def test_ties_are_counted_and_excused(tmp_path: Path, momentum: float | None) -> None:
    graph, path, x = setting(tmp_path, tied(momentum))
    ours = graph.dequantize(reference(graph, x))
    wrong = (execute(path, graph.to_float(x)) != ours).any(axis=1)
    assert 0 < wrong.sum() < 60, "the example has to round somewhere, and not everywhere"
    np.testing.assert_array_equal(execute_in_float64(onnx.load(str(path)), x), ours)
    proof = prove_import(graph, path, x)
    assert (proof.mismatches, proof.ties, proof.status) == (0, wrong.sum(), "equal")


@pytest.mark.parametrize("opset", [13, 21])
def test_ties_of_standard_quantizers_are_excused(tmp_path: Path, opset: int) -> None:
    """Steps of 1.4, and sums of +-0.7 x: every odd one is a tie. One channel's zero point is no other's."""
    rng = np.random.default_rng(3)
    out = Emitter((24,), "INT4")
    y = out.node("MatMul", "x", out.const(0.7 * rng.choice([-1, 1], (24, 40))))
    step, zero = out.const(1.4), out.const(np.int8(3), np.int8)
    y = out.node("DequantizeLinear", out.node("QuantizeLinear", y, step, zero), step, zero)
    weights = out.const(rng.integers(-3, 4, (40, 5)), np.int8)
    scales, zeros = out.const(np.full(5, 0.5)), out.const(rng.integers(-1, 2, 5), np.int8)
    weights = out.node("DequantizeLinear", weights, scales, zeros, axis=1)
    graph, path, x = setting(tmp_path, out.model(out.node("MatMul", y, weights), opset=opset))
    proof = prove_import(graph, path, x)
    assert proof.status == "equal"
    assert 0 < proof.ties < 60, "the example has to round somewhere, and not everywhere"


def test_a_threshold_off_by_one_is_no_tie(tmp_path: Path) -> None:
    graph, path, x = setting(tmp_path, tied())
    threshold = next(node for node in graph.nodes if isinstance(node, Threshold))
    threshold.thresholds[7, 0] += 1
    with pytest.raises(ProofFailed, match="samples differ"):
        prove_import(graph, path, x)


def test_equal_classes_are_a_tie(tmp_path: Path) -> None:
    """Two columns whose sums are the same number in another order: float32 may prefer either."""
    rng = np.random.default_rng(1)
    signs = rng.choice([-1, 1], (24, 1))
    columns = np.concatenate([0.3 * signs, 0.3 * signs, rng.choice([-0.3, 0.3], (24, 2))], axis=1)
    out = Emitter((24,), "INT4")
    logits = out.node("MatMul", "x", out.const(columns))
    for ending in ("ArgMax", "TopK"):
        inputs = (logits,) if ending == "ArgMax" else (logits, out.const([1], np.int64))
        ended = Emitter((24,), "INT4")
        ended.nodes, ended.initializers = list(out.nodes), list(out.initializers)
        top = ended.node(ending, *inputs, axis=1, outputs=1 + (ending == "TopK"))
        graph, path, x = setting(tmp_path, ended.model(top, onnx.TensorProto.INT64))
        found = execute_in_float64(onnx.load(str(path)), x)
        np.testing.assert_array_equal(found.reshape(-1), graph.original(reference(graph, x)))
        assert prove_import(graph, path, x).status == "equal"


def test_thresholds_of_wide_sums_are_those_of_real_numbers(tmp_path: Path) -> None:
    """Brevitas' W8A8: float32 rounds each addition, and a chain evaluated in it was off by a unit, too."""
    rng = np.random.default_rng(5)
    ints, scale = rng.integers(-127, 128, (96, 64)), rng.uniform(0.002, 0.004, (1, 64)).astype(np.float32)
    bias, unit, level = (
        rng.standard_normal((64, 1)).astype(np.float32),
        np.float32(0.0123),
        np.float32(0.0731),
    )
    out = Emitter((96,), "INT8")
    zero, bits = out.const(0.0), out.const(8.0)
    weights = out.node("Quant", out.const(scale * ints), out.const(scale), zero, bits, signed=1, narrow=1)
    y = out.node("Add", out.node("MatMul", out.node("Mul", "x", out.const(unit)), weights), out.const(bias.T))
    y = out.node("Quant", y, out.const(level), zero, bits, signed=1, narrow=0)
    graph, path, _ = setting(tmp_path, out.model(y))
    threshold = next(node for node in graph.nodes if isinstance(node, Threshold))

    def real(sums: Ints) -> NDArray[np.float64]:
        return (sums * (scale.T.astype(np.float64) * unit) + bias.astype(np.float64)) / np.float64(level)

    half = np.arange(-127, 128) - 0.5
    assert (real(threshold.thresholds) >= half).all()
    assert (real(threshold.thresholds - 1) <= half).all()
    assert prove_import(graph, path, rng.integers(-128, 128, (200, 96))).status == "equal"
