"""Concat along the channels: each tensor keeps its own scales, and what cannot be joined is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from etb_hw.errors import UnsupportedNode
from etb_hw.integer import Concat
from etb_hw.qonnx_io import import_model
from hw_tests.fuzz.onnx_emitter import Emitter
from hw_tests.qonnx_io.test_forms_of_the_field import SIZES, dense, image, proved, quantized, rng, signs


def bipolar(out: Emitter, x: str, scale: float = 1.0) -> str:
    return out.node("BipolarQuant", x, out.const(scale))


def norm(out: Emitter, x: str, channels: int) -> str:
    gamma, beta, mean = (out.const(rng().normal(size=channels)) for _ in range(3))
    return out.node("BatchNormalization", x, gamma, beta, mean, out.const(rng().uniform(1, 9, channels)))


def conv(out: Emitter, x: str, outputs: int, inputs: int) -> str:
    return out.node("Conv", x, out.const(signs(outputs, inputs, 3, 3)), **{**SIZES, "pads": [1] * 4})


@pytest.mark.parametrize("scale", [64.0, 32.0, 96.0, 48.0])
def test_scales_of_a_whole_ratio_go_into_the_weights(scale: float, tmp_path: Path) -> None:
    """A dense block, as in DenseNet: conv over the features so far, which are joined to them."""

    def body(out: Emitter, x: str) -> str:
        y = quantized(out, conv(out, x, 3, 4), scale)
        both = out.node("Concat", x, y, axis=1)
        z = bipolar(out, conv(out, both, 2, 7))
        return out.node("Concat", both, z, axis=1)

    graph = proved(image(body), tmp_path)
    assert sum(isinstance(node, Concat) for node in graph.nodes) == 2


def test_chains_of_different_ops_stay_exact(tmp_path: Path) -> None:
    """Norms, clips, negations and slopes of some of the tensors, and one quantizer behind the Concat."""

    def body(out: Emitter, x: str) -> str:
        parts = [
            norm(out, conv(out, x, 3, 4), 3),
            out.node("Relu", out.node("Mul", x, out.const(0.3))),
            out.node("Sub", out.const(0.7), x),
            out.node("LeakyRelu", out.node("Add", x, out.const(0.1)), alpha=0.3),
            x,
        ]
        return quantized(out, norm(out, out.node("Concat", *parts, axis=-3), 19), 0.3)

    proved(image(body), tmp_path)


def test_flat_tensors_in_two_orders(tmp_path: Path) -> None:
    """Features of two branches: one flattened channels last, one channels first."""

    def body(out: Emitter, x: str) -> str:
        y = out.node("MaxPool", bipolar(out, x), kernel_shape=[2, 2], strides=[2, 2])
        pools = [out.node("Flatten", out.node("Transpose", y, perm=[0, 2, 3, 1])), out.node("Flatten", y)]
        both = out.node("Concat", *pools, axis=1)
        return out.node("MatMul", both, out.const(signs(48, 6)))

    def ending(out: Emitter, x: str) -> str:
        return bipolar(out, norm(out, body(out, x), 6))

    proved(image(ending), tmp_path)


def test_features_of_an_mlp(tmp_path: Path) -> None:
    def ending(out: Emitter, y: str) -> str:
        a = bipolar(out, out.node("Add", y, out.const(0.1)))
        b = bipolar(out, out.node("MatMul", a, out.const(signs(12, 5))))
        return out.node("MatMul", out.node("Concat", a, b, axis=1), out.const(signs(17, 4)))

    proved(dense(ending), tmp_path)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (lambda out, x: out.node("Concat", x, x, axis=2), "along axis 2"),
        (lambda out, x: out.node("Concat", x, out.node("Tanh", x), axis=1), "behind tanh"),
        (
            lambda out, x: out.node("Concat", x, out.node("Transpose", x, perm=[0, 2, 3, 1]), axis=1),
            "layouts",
        ),
        (lambda out, x: out.node("Concat", x, out.const(np.zeros((1, 2, 6, 4))), axis=1), "constant"),
    ],
)
def test_what_cannot_be_joined(body, reason: str) -> None:  # type: ignore[no-untyped-def]
    out = Emitter((3, 8, 6), "UINT8")
    y = quantized(out, out.node("Conv", "x", out.const(signs(4, 3, 3, 3)), **SIZES), 64.0)
    with pytest.raises(UnsupportedNode, match=reason) as raised:
        import_model(out.model(body(out, y)))
    assert "Concat" in raised.value.where
