"""Pixels that are repeated: the ways in which exporters say so, what is refused, and down to the hardware."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from etb_hw.config import Builder
from etb_hw.dataflow import Target, fold, lower
from etb_hw.dataflow.finn import apply_folding_config, folding_config
from etb_hw.errors import UnsupportedNode
from etb_hw.integer import Upsample
from etb_hw.integer.packed import PackedExecutor
from etb_hw.integer.reference import execute as reference
from etb_hw.qonnx_io import execute, import_model
from etb_hw.qonnx_io.float64 import execute_in_float64
from etb_hw.qonnx_io.streamlined import streamlined_model
from hw_tests.fuzz.onnx_emitter import Emitter

SHAPE = (2, 3, 4)
TORCH = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}


def scaled(out: Emitter, *scales: float, x: str = "x", **attributes: object) -> str:
    return out.node("Resize", x, "", out.const(scales), mode="nearest", **attributes)


def sized(out: Emitter, *sizes: int) -> str:
    return out.node("Resize", "x", "", "", out.const(sizes, np.int64), mode="nearest", **TORCH)


def with_axes(out: Emitter) -> str:
    return out.node("Resize", "x", "", out.const([3, 2]), mode="nearest", axes=[3, 2], **TORCH)


FORMS: dict[str, tuple[Callable[[Emitter], str], int, tuple[int, int]]] = {
    "torch": (lambda o: scaled(o, 1, 1, 2, 2, **TORCH), 13, (2, 2)),
    "sizes": (lambda o: sized(o, 1, 2, 9, 8), 13, (3, 2)),
    "half_pixel": (lambda o: scaled(o, 1, 1, 4, 3), 13, (4, 3)),
    "round_up": (lambda o: scaled(o, 1, 1, 2, 5, nearest_mode="round_prefer_ceil"), 13, (2, 5)),
    "one_axis": (lambda o: scaled(o, 1, 1, 1, 2, **TORCH), 13, (1, 2)),
    "axes": (with_axes, 18, (2, 3)),
    "version_10": (lambda o: o.node("Resize", "x", o.const([1, 1, 2, 2]), mode="nearest"), 10, (2, 2)),
    "upsample_9": (lambda o: o.node("Upsample", "x", o.const([1, 1, 3, 2]), mode="nearest"), 9, (3, 2)),
    "upsample_7": (lambda o: o.node("Upsample", "x", scales=[1.0, 1.0, 2.0, 2.0], mode="nearest"), 7, (2, 2)),
}  # fmt: skip


@pytest.mark.parametrize("form", list(FORMS))
def test_every_form_is_read(form: str) -> None:
    build, opset, factors = FORMS[form]
    out = Emitter(SHAPE, "UINT4")
    model = out.model(build(out), opset=opset)
    x = np.random.default_rng(0).integers(0, 16, (3, *SHAPE))
    graph = import_model(model)
    (node,) = (node for node in graph.nodes if isinstance(node, Upsample))
    assert node.factors == factors
    expected = x.repeat(factors[0], axis=2).repeat(factors[1], axis=3)
    np.testing.assert_array_equal(reference(graph, x), expected)
    np.testing.assert_array_equal(PackedExecutor(graph).run(x), expected)
    if opset > 9:  # onnxruntime has dropped the older op
        np.testing.assert_array_equal(execute(model, x), expected)
    np.testing.assert_array_equal(execute_in_float64(model, x), expected)
    np.testing.assert_array_equal(execute(streamlined_model(graph), x), expected)


def test_factors_of_one_are_nothing() -> None:
    out = Emitter(SHAPE, "UINT4")
    graph = import_model(out.model(scaled(out, 1, 1, 1, 1)))
    assert [type(node).__name__ for node in graph.nodes] == ["Input"]


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (lambda o: o.node("Resize", "x", "", o.const([1, 1, 2, 2]), mode="linear"), "interpolates"),
        (lambda o: scaled(o, 1, 1, 1.5, 2, **TORCH), r"factor of 1\.5"),
        (lambda o: scaled(o, 1, 1, 0.5, 0.5, **TORCH), r"factor of 0\.5"),
        (lambda o: scaled(o, 1, 2, 1, 1, **TORCH), "not one of an image's"),
        (lambda o: scaled(o, 1, 1, 2, 2, nearest_mode="ceil"), r"shifts pixels \(half_pixel, ceil\)"),
        (lambda o: scaled(o, 1, 1, 3, 2, coordinate_transformation_mode="align_corners"), "shifts pixels"),
        (lambda o: scaled(o, 1, 1, 2, 2, coordinate_transformation_mode="tf_crop_and_resize"), "crops"),
        (lambda o: scaled(o, 1, 1, 2, **TORCH), "does not say the factor of each axis"),
        (lambda o: scaled(o, 1, 1, 1e9, 2, **TORCH), r"factor of 1e\+09"),
        (lambda o: o.node("Resize", "x"), "does not say the factor of each axis"),
    ],
)
def test_what_is_no_repetition_is_refused(build: Callable[[Emitter], str], reason: str) -> None:
    out = Emitter(SHAPE, "UINT4")
    model = out.model(build(out), shapes=False)
    with pytest.raises(UnsupportedNode, match=reason) as caught:
        import_model(model)
    assert "Resize_0" in caught.value.where


@pytest.mark.parametrize(
    ("size", "factors", "domain"),
    [
        ((4, 4), (2, 2), "finn.custom_op.fpgadataflow.hls"),
        ((7, 1), (3, 1), "finn.custom_op.fpgadataflow.hls"),
        ((4, 5), (2, 2), "etb_hw.dataflow"),
        ((4, 4), (2, 1), "etb_hw.dataflow"),
    ],
)
def test_finn_gets_what_it_can_say(size: tuple[int, int], factors: tuple[int, int], domain: str) -> None:
    out = Emitter((6, *size), "UINT4")
    graph = import_model(out.model(scaled(out, 1, 1, *factors)))
    (ours,), (whole,) = (lower(graph, builder=builder).blocks for builder in ("etb_hw", "finn"))
    assert ours.finn_node().domain == "etb_hw.dataflow"
    assert whole.finn_node().domain == domain
    assert whole.cycles == size[0] * factors[0] * size[1] * factors[1]  # FINN's OFMDim, squared
    x = np.random.default_rng(0).integers(0, 16, (2, *size, 6))
    np.testing.assert_array_equal(whole.execute(x)[0], ours.execute(x)[0])


@pytest.mark.parametrize("builder", ["etb_hw", "finn"])
def test_a_folding_is_read_back(builder: Builder) -> None:
    out = Emitter((6, 4, 4), "UINT4")
    made = lower(import_model(out.model(scaled(out, 1, 1, 2, 2))), builder=builder)
    folded = fold(made, Target(cycles=200)).graph
    config = folding_config(folded, builder)
    again = apply_folding_config(made, config).graph
    assert [block.fold for block in again.blocks] == [block.fold for block in folded.blocks]
    (entry,) = (value for name, value in config.items() if name != "Defaults")
    assert set(entry) == ({"SIMD"} if builder == "etb_hw" else set())
