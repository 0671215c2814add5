"""Sums of branches whose scales have no common unit: the order of the sums, in small integers."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from etb_hw.errors import UnsupportedNode
from etb_hw.integer import ChannelAffine
from etb_hw.qonnx_io import import_model
from etb_hw.qonnx_io.shortcuts import same_order
from hw_tests.fuzz.onnx_emitter import Emitter
from hw_tests.qonnx_io.test_concat import bipolar, conv, norm
from hw_tests.qonnx_io.test_forms_of_the_field import SIZES, image, proved, quantized, rng, signs


@pytest.mark.parametrize("seed", range(40))
def test_the_simplest_ratio_orders_all_sums_alike(seed: int) -> None:
    draw = np.random.default_rng(seed)
    width, height = (int(n) for n in draw.integers(1, 30, 2))
    ratio = float(np.exp(draw.normal(0, 2)))
    if seed % 3 == 0:  # one of the fractions themselves: equal sums stay equal
        ratio = float(Fraction(int(draw.integers(1, width + 1)), int(draw.integers(1, height + 1))))
    p, q = same_order(ratio, width, height)
    i, j = np.meshgrid(np.arange(width + 1), np.arange(height + 1))
    wanted, found = (i + ratio * j).reshape(-1), (q * i + p * j).reshape(-1)
    near = np.abs(wanted[:, None] - wanted[None, :]) < 1e-9
    order = np.where(near, 0, np.sign(wanted[:, None] - wanted[None, :]))
    np.testing.assert_array_equal(np.sign(found[:, None] - found[None, :]), order)


def test_a_shortcut_of_another_scale(tmp_path: Path) -> None:
    """Few-bit branches, each with its learned scale, as Brevitas leaves them."""

    def body(out: Emitter, x: str) -> str:
        y = quantized(out, norm(out, conv(out, x, 4, 4), 4), 0.137)
        both = out.node("Add", out.node("Mul", x, out.const(0.0173)), y)
        return quantized(out, norm(out, both, 4), 0.61)

    graph = proved(image(body), tmp_path)
    largest = [np.abs(node.mul).max() for node in graph.nodes if isinstance(node, ChannelAffine)]
    assert 1 < max(largest) < 64


def test_a_float_shortcut_around_a_normalised_convolution(tmp_path: Path) -> None:
    """Bi-Real: the sum of signs' convolution behind its BatchNorm, and the tensor in front of the signs."""

    def body(out: Emitter, x: str) -> str:
        y = norm(out, conv(out, bipolar(out, x), 4, 4), 4)
        both = out.node("Add", y, x)
        z = out.node("Relu", out.node("Neg", norm(out, both, 4)))
        return bipolar(out, out.node("Sub", z, out.const(0.4)))

    proved(image(body), tmp_path)


def test_pools_between_the_sum_and_its_quantizer(tmp_path: Path) -> None:
    def body(out: Emitter, x: str) -> str:
        both = out.node("Sub", x, out.node("Mul", bipolar(out, x), out.const(5.3)))
        y = out.node("MaxPool", both, kernel_shape=[2, 2], strides=[2, 2])
        return quantized(out, out.node("Flatten", norm(out, y, 4)), 0.2)

    proved(image(body), tmp_path)


@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        (lambda out, y: y, "sum of tensors of different scales"),
        (lambda out, y: out.node("Conv", y, out.const(signs(2, 4, 3, 3)), **SIZES), "no quantizer follows"),
        (lambda out, y: out.node("Concat", y, y, axis=1), "different scales"),
        (lambda out, y: out.node("Add", y, y), "once more"),
    ],
)
def test_what_needs_a_quantizer_behind_the_sum(ending, reason: str) -> None:  # type: ignore[no-untyped-def]
    out = Emitter((3, 8, 6), "UINT8")
    x = quantized(out, out.node("Conv", "x", out.const(signs(4, 3, 3, 3)), **SIZES), 64.0)
    y = out.node("Add", x, out.node("Mul", bipolar(out, x), out.const(rng().uniform(3, 4))))
    with pytest.raises(UnsupportedNode, match=reason):
        import_model(out.model(ending(out, y)))


def test_too_many_values_are_refused_with_what_to_change() -> None:
    out = Emitter((3, 8, 6), "UINT8")
    x = out.node("Conv", "x", out.const(signs(4, 3, 3, 3)), **SIZES)
    sums = out.node("Add", norm(out, x, 4), x)
    with pytest.raises(UnsupportedNode, match="pairs of values") as raised:
        import_model(out.model(quantized(out, sums)))
    assert "QuantIdentity" in raised.value.remedy
