"""Folding BatchNorm and quantizer into thresholds equals float32 evaluation, for every input value."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from etb_hw.errors import EtbError
from etb_hw.integer import Dense, Threshold
from etb_hw.integer.reference import execute as reference
from etb_hw.qonnx_io import execute, import_model
from hw_tests.fuzz.onnx_emitter import Emitter

finite = st.floats(width=32, allow_nan=False, allow_infinity=False, allow_subnormal=True)
moderate = st.floats(-300, 300, width=32)
gammas = st.one_of(moderate, finite, st.sampled_from([0.0, -0.0, 1e-30, -1e-30, 1e30, -1e30, 1.0, -1.0]))
variances = st.one_of(st.floats(0, 1e6, width=32), st.sampled_from([0.0, 1e-38, 1e-12, 1.0, 1e30]))
channels = st.lists(
    st.tuples(gammas, st.one_of(moderate, finite), moderate, variances), min_size=1, max_size=6
)
every_int8 = np.arange(-128, 128)


def _quantizer(out: Emitter, x: str, kind: str) -> str:
    if kind == "bipolar":
        return out.node("BipolarQuant", x, out.const(1.0))
    bits = out.const(3.0)
    return out.node(
        "Quant", x, out.const(0.37), out.const(0.0), bits, signed=1, narrow=0, rounding_mode="ROUND"
    )


@settings(max_examples=80, deadline=None)
@example(
    [(-1e30, 3.3928236299784002e38, 1.0, 1e-12)], "bipolar", 0.0
)  # factor and product fit, the offset does not
@given(channels, st.sampled_from(["bipolar", "few-bit"]), st.sampled_from([0.0, 1e-5, 1e-3]))
def test_every_integer_gets_the_level_of_float32(
    rows: list[tuple[float, float, float, float]], kind: str, epsilon: float
) -> None:
    out = Emitter((len(rows),), "INT8")
    parameters = [out.const(column) for column in zip(*rows, strict=True)]
    y = out.node("BatchNormalization", "x", *parameters, epsilon=epsilon)
    model = out.model(_quantizer(out, y, kind))
    samples = np.repeat(every_int8[:, None], len(rows), axis=1)
    try:
        graph = import_model(model)
    except EtbError:
        golden = execute(model, samples)  # refused only where float32 itself overflows
        with np.errstate(all="ignore"):
            variance = np.asarray([r[3] for r in rows], np.float32)
            inverse = np.float32(1) / np.sqrt(variance + np.float32(epsilon))
            factor = inverse * np.asarray([r[0] for r in rows], np.float32)
            beta, mean = (np.asarray([r[i] for r in rows], np.float32) for i in (1, 2))
            overflow = not np.isfinite(beta - mean * factor).all()
        assert overflow or np.isnan(golden).any() or not np.isfinite(factor).all()
        return
    np.testing.assert_array_equal(graph.dequantize(reference(graph, samples)), execute(model, samples))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["Mul", "Add", "Sub", "Div"]), moderate, st.booleans()), max_size=5)
)
def test_chains_in_either_operand_order(steps: list[tuple[str, float, bool]]) -> None:
    out = Emitter((1,), "INT8")
    y = "x"
    for op, constant, first in steps:
        if op == "Div":
            constant, first = constant or 1.0, False
        operands = (out.const(constant), y) if first else (y, out.const(constant))
        y = out.node(op, *operands)
    model = out.model(_quantizer(out, y, "few-bit"))
    samples = every_int8[:, None]
    try:
        graph = import_model(model)
    except EtbError:
        assert np.isnan(execute(model, samples)).any()  # infinity times zero
        return
    np.testing.assert_array_equal(graph.dequantize(reference(graph, samples)), execute(model, samples))


def test_constant_channels_have_thresholds_out_of_reach() -> None:
    out = Emitter((3,), "INT8")
    parameters = [out.const(v) for v in ([0, 0, 1e-30], [1, -1, 5], [0, 0, 0], [1, 1, 1])]
    y = out.node("BatchNormalization", "x", *parameters)
    graph = import_model(out.model(out.node("BipolarQuant", y, out.const(1.0))))
    assert graph.types[graph.output].low == (1, -1, 1)
    assert graph.types[graph.output].high == (1, -1, 1)


def test_falling_channels_negate_the_filters() -> None:
    out = Emitter((4,), "INT8")
    y = out.node("MatMul", "x", out.const(np.ones((4, 2))))
    y = out.node("BatchNormalization", y, *[out.const(v) for v in ([1, -1], [0, 0], [0.5, 0.5], [1, 1])])
    graph = import_model(out.model(out.node("BipolarQuant", y, out.const(1.0))))
    assert [type(n).__name__ for n in graph.nodes] == ["Input", "Dense", "Threshold"]
    dense = graph.nodes[1]
    assert isinstance(dense, Dense)
    assert dense.weights.tolist() == [[1] * 4, [-1] * 4]


@pytest.mark.parametrize(
    ("gamma", "mean", "threshold"), [(1.0, 10.5, 11), (2.0, 10.0, 10), (1e-20, -3.5, -3)]
)
def test_known_thresholds(gamma: float, mean: float, threshold: int) -> None:
    out = Emitter((1,), "INT8")
    y = out.node("BatchNormalization", "x", *[out.const([v]) for v in (gamma, 0.0, mean, 1.0)], epsilon=0.0)
    graph = import_model(out.model(out.node("BipolarQuant", y, out.const(1.0))))
    found = graph.nodes[1]
    assert isinstance(found, Threshold)
    assert found.thresholds.tolist() == [[threshold]]
