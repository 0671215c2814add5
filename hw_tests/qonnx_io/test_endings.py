"""What may stand behind the logits, and what the network's output may be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from etb_hw.errors import UnsupportedNode
from etb_hw.flow.proofs import random_inputs
from etb_hw.flow.simulating import QonnxReference
from etb_hw.integer import IntegerGraph
from etb_hw.integer.packed import PackedExecutor
from etb_hw.integer.reference import execute as reference
from etb_hw.qonnx_io import execute, import_model, write_streamlined
from etb_hw.simulate import simulate
from hw_tests.fuzz.onnx_emitter import Emitter
from hw_tests.qonnx_io.test_forms_of_the_field import SIZES, Ending, dense, proved, quantized, rng, signs


def labelled(
    softmax: dict[str, int], best: str | None, opset: int = 13, size: tuple[int, int] = (8, 6)
) -> onnx.ModelProto:
    """A class a pixel, of five (N, 5, H - 2, W - 2); a Softmax in front of ``best``, or at the end."""
    out = Emitter((3, *size), "UINT8")
    y = quantized(out, out.node("Conv", "x", out.const(signs(4, 3, 3, 3)), **SIZES), 64.0)
    y = out.node("Softmax", out.node("Conv", y, out.const(signs(5, 4, 1, 1))), **softmax)
    if best == "ArgMax":
        y = out.node("ArgMax", y, axis=1, keepdims=0)
    if best == "TopK":
        y = out.node("TopK", y, out.const([1], np.int64), axis=1, outputs=2)
    return out.model(y, TensorProto.INT64 if best else TensorProto.FLOAT, opset=opset)


@pytest.mark.parametrize("best", ["ArgMax", "TopK", None])
@pytest.mark.parametrize(
    ("softmax", "opset"),
    [({}, 13), ({"axis": -1}, 13), ({"axis": 2}, 13), ({"axis": 0}, 13), ({}, 11), ({"axis": 2}, 11)],
)
def test_a_softmax_over_another_axis_is_no_ending(
    softmax: dict[str, int], opset: int, best: str | None
) -> None:
    """Another class may win behind it; up to operator set 12 it runs over all axes behind the first."""
    with pytest.raises(UnsupportedNode, match=r"Softmax_3.*not that of the classes") as caught:
        import_model(labelled(softmax, best, opset))
    assert "axis 1" in caught.value.remedy


@pytest.mark.parametrize("best", ["ArgMax", "TopK", None])
@pytest.mark.parametrize("axis", [1, -3])
def test_a_softmax_over_the_classes_of_each_pixel(axis: int, best: str | None, tmp_path: Path) -> None:
    graph = proved(labelled({"axis": axis}, best), tmp_path)
    assert "Softmax" in graph.notes[0]
    assert graph.types[graph.output].shape == (5, 6, 4)


def test_an_old_softmax_over_all_axes_of_one_pixel(tmp_path: Path) -> None:
    proved(labelled({}, "ArgMax", opset=11, size=(3, 3)), tmp_path)


def test_a_softmax_of_the_batch() -> None:
    out = Emitter((20,), "INT4")
    y = out.node("Softmax", out.node("MatMul", "x", out.const(signs(20, 5))), axis=0)
    with pytest.raises(UnsupportedNode, match=r"Softmax_1.*axis 0"):
        import_model(out.model(y))


def equals_its_file(graph: IntegerGraph, folder: Path) -> None:
    """What is written of the integer graph gives, in qonnx, what the graph gives."""
    write_streamlined(graph, folder / "streamlined.onnx")
    x = random_inputs(graph, 24)
    expected = graph.dequantize(reference(graph, x))
    np.testing.assert_array_equal(execute(folder / "streamlined.onnx", x), expected)


@pytest.mark.parametrize("scale", [0.25, 0.05])
@pytest.mark.parametrize("op", ["LeakyRelu", "PRelu", "PRelu of one slope"])
def test_a_bent_line_at_the_end(op: str, scale: float, tmp_path: Path) -> None:
    def ending(out: Emitter, y: str) -> str:
        kind, *one = op.split(maxsplit=1)
        slopes = [out.const(0.25 if one else rng().uniform(0, 0.5, 12))] if kind == "PRelu" else []
        return out.node(kind, out.node("Mul", y, out.const(scale)), *slopes)

    graph = proved(dense(ending), tmp_path)
    assert graph.dequant.links[-1].op == "leaky"
    equals_its_file(graph, tmp_path)


def test_slopes_of_the_channels_of_an_image(tmp_path: Path) -> None:
    out = Emitter((3, 8, 6), "UINT8")
    y = out.node("Conv", "x", out.const(signs(4, 3, 3, 3)), **SIZES)
    equals_its_file(
        proved(out.model(out.node("PRelu", y, out.const(np.full((4, 1, 1), 0.25)))), tmp_path), tmp_path
    )


@pytest.mark.parametrize(
    ("ending", "named"),
    [
        (lambda out, y: out.node("Tanh", y), ("Tanh_2",)),
        (lambda out, y: out.node("Mul", out.node("Sigmoid", y), out.const(255.0)), ("Sigmoid_2", "Mul_3")),
        (
            lambda out, y: out.node(
                "Add", out.const([1.0]), out.node("Div", out.node("Tanh", y), out.const(2.0))
            ),
            ("Tanh_2", "Div_3", "Add_4"),
        ),
    ],
)
def test_curves_at_the_end_are_left_out(ending: Ending, named: tuple[str, ...], tmp_path: Path) -> None:
    """With numbers that scale their values: libraries differ in the last bit of such a curve."""
    graph = proved(dense(lambda out, y: ending(out, out.node("Mul", y, out.const(0.05)))), tmp_path)
    assert all(name in graph.notes[0] for name in named)
    equals_its_file(graph, tmp_path)


@pytest.mark.parametrize(
    "ending",
    [
        lambda out, y: out.node("GlobalMaxPool", out.node("Tanh", y)),
        lambda out, y: out.node("Mul", out.node("Sigmoid", y), out.const(np.full((4, 1, 1), 2.0))),
    ],
)
def test_what_comes_of_a_curve_cannot_be_proved(ending: Ending) -> None:
    out = Emitter((3, 8, 6), "UINT8")
    y = ending(out, out.node("Conv", "x", out.const(signs(4, 3, 3, 3)), **SIZES))
    with pytest.raises(UnsupportedNode, match=r"_2.*Tanh or Sigmoid"):
        import_model(out.model(y))


def test_a_quantizer_behind_a_tanh_makes_thresholds_of_it(tmp_path: Path) -> None:
    def ending(out: Emitter, y: str) -> str:
        constants = out.const(1 / 64), out.const(0, np.int8)
        y = out.node("Tanh", out.node("Mul", y, out.const(0.05)))
        return out.node("DequantizeLinear", out.node("QuantizeLinear", y, *constants), *constants)

    assert not proved(dense(ending), tmp_path).notes


def keras(
    ending: Ending, kind: int = TensorProto.FLOAT, shape: tuple[int, ...] = (8, 6, 3), scale: float = 0.5
) -> onnx.ModelProto:
    """An input with channels last, two convolutions, and ``ending`` on five channels, which are first."""
    out = Emitter(shape, "UINT8")
    axes = len(shape) - 1
    y = out.node("Transpose", "x", perm=[0, axes + 1, *range(1, axes + 1)])
    y = quantized(out, out.node("Conv", y, out.const(signs(4, 3, *(3,) * axes))), 64.0)
    y = out.node("Mul", out.node("Conv", y, out.const(signs(5, 4, *(1,) * axes))), out.const(scale))
    return out.model(ending(out, y), kind)


@pytest.mark.parametrize(
    ("ending", "kind", "shape"),
    [
        (lambda out, y: y, TensorProto.FLOAT, (6, 4, 5)),
        (lambda out, y: out.node("Add", y, out.const(rng().normal(size=5))), TensorProto.FLOAT, (6, 4, 5)),
        (lambda out, y: out.node("Softmax", y, axis=3), TensorProto.FLOAT, (6, 4, 5)),
        (lambda out, y: out.node("ArgMax", y, axis=3, keepdims=0), TensorProto.INT64, (6, 4)),
        (lambda out, y: out.node("ArgMax", y, axis=-1, keepdims=1), TensorProto.INT64, (6, 4)),
        (
            lambda out, y: out.node("TopK", y, out.const([3], np.int64), axis=3, outputs=2),
            TensorProto.INT64,
            (6, 4, 3),
        ),
    ],
)
@pytest.mark.parametrize("scale", [0.5, 0.3])
def test_outputs_with_channels_last(
    ending: Ending, kind: int, shape: tuple[int, ...], scale: float, tmp_path: Path
) -> None:
    """As Keras has them: the integer graph's are channels first, what is compared is the network's own."""
    model = keras(lambda out, y: ending(out, out.node("Transpose", y, perm=[0, 2, 3, 1])), kind, scale=scale)
    graph = proved(model, tmp_path)
    assert graph.types[graph.output].shape == (5, 6, 4)
    x = random_inputs(graph, 30)
    packed = PackedExecutor(graph)
    assert graph.original(packed.run(x)).shape == (len(x), *shape)
    report = simulate(graph, x, expected=QonnxReference(tmp_path / "model.onnx", packed))
    assert report.agreement is not None
    assert report.agreement.exact


def test_the_channels_last_domain_at_the_end(tmp_path: Path) -> None:
    model = keras(lambda out, y: out.node("Transpose", quantized(out, y, 1.0), perm=[0, 2, 3, 1]))
    weights = onnx.numpy_helper.from_array(signs(7, 1, 1, 5).astype(np.float32), "weights")
    model.graph.initializer.append(weights)
    sizes = {**SIZES, "kernel_shape": [1, 1], "domain": "qonnx.custom_op.channels_last"}
    source = model.graph.output[0].name
    model.graph.node.append(onnx.helper.make_node("Conv", [source, "weights"], ["y"], "last", **sizes))
    # qonnx infers no shapes in this domain
    model.graph.value_info.append(onnx.helper.make_tensor_value_info(source, TensorProto.FLOAT, [1, 6, 4, 5]))
    del model.graph.output[:]
    model.graph.output.append(onnx.helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 6, 4, 7]))
    graph = proved(model, tmp_path)
    assert graph.channels_last
    assert graph.types[graph.output].shape == (7, 6, 4)


def test_a_softmax_of_channels_that_are_last() -> None:
    def ending(out: Emitter, y: str) -> str:
        return out.node("Softmax", out.node("Transpose", y, perm=[0, 2, 3, 1]), axis=1)

    with pytest.raises(UnsupportedNode, match=r"axis 1, not that of the classes") as caught:
        import_model(keras(ending))
    assert "axis 3" in caught.value.remedy


def test_other_orders_of_axes_are_refused() -> None:
    with pytest.raises(UnsupportedNode, match="transposed"):
        import_model(keras(lambda out, y: out.node("Transpose", y, perm=[0, 3, 2, 1])))


@pytest.mark.parametrize("best", [None, "ArgMax"])
def test_simulate_compares_best_classes(best: str | None, tmp_path: Path) -> None:
    kind = TensorProto.INT64 if best else TensorProto.FLOAT
    graph = proved(dense(lambda out, y: out.node(best, y, axis=1) if best else y, kind), tmp_path)
    x = random_inputs(graph, 30)
    packed = PackedExecutor(graph)
    report = simulate(graph, x, expected=QonnxReference(tmp_path / "model.onnx", packed))
    assert report.agreement is not None
    assert report.agreement.exact
    integers = simulate(graph, x, expected=lambda some: packed.run(some))
    assert integers.agreement is not None
    assert integers.agreement.exact
