"""What exporters leave in files: batches of a size, parts of shapes, types of quantizers, modes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.infer_shapes import InferShapes

from etb_hw.dataflow import lower
from etb_hw.errors import BadInput, UnsupportedNode
from etb_hw.qonnx_io import import_model
from hw_tests.fuzz.onnx_emitter import Emitter
from hw_tests.qonnx_io.test_forms_of_the_field import SIZES, Ending, dense, image, proved, quantized, signs


def batch_of_four(target: list[int], declared: int = 4) -> onnx.ModelProto:
    """``x.view(x.shape[0], -1)``, whose sizes an exporter took from an example of four."""
    out = Emitter((3, 8, 6), "UINT8")
    y = quantized(out, out.node("Conv", "x", out.const(signs(4, 3, 3, 3)), **SIZES), 64.0)
    y = out.node("Reshape", y, out.const(target, np.int64))
    model = out.model(out.node("MatMul", y, out.const(signs(96, 5))), shapes=False)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = declared
    inferred: onnx.ModelProto = ModelWrapper(model).transform(InferShapes()).model
    return inferred


@pytest.mark.parametrize("target", [[4, -1], [4, 96], [-1, 96], [0, -1]])
def test_a_batch_of_a_size(target: list[int], tmp_path: Path) -> None:
    proved(batch_of_four(target), tmp_path)


def test_a_batch_that_is_parted() -> None:
    with pytest.raises(UnsupportedNode, match=r"Reshape_2.*becomes \(4, -1\)"):
        import_model(batch_of_four([4, -1], declared=1))


@pytest.mark.parametrize(
    "sizes",
    [{"start": 0, "end": 1}, {"end": 1}, {"end": -3}, {"start": -9, "end": 1}, {"start": 0, "end": -3}],
)
def test_a_part_of_a_shape(sizes: dict[str, int], tmp_path: Path) -> None:
    """As torch's newer exporter takes the batch."""
    out = Emitter((3, 8, 6), "UINT8")
    y = quantized(out, out.node("Conv", "x", out.const(signs(4, 3, 3, 3)), **SIZES), 64.0)
    shape = out.node("Concat", out.node("Shape", y, **sizes), out.const([-1], np.int64), axis=0)
    y = out.node("MatMul", out.node("Reshape", y, shape), out.const(signs(96, 5)))
    proved(out.model(y, opset=17), tmp_path)


def test_the_rest_of_a_constant_s_shape() -> None:
    out = Emitter((3, 8, 6), "UINT8")
    y = quantized(out, out.node("Conv", "x", out.const(signs(4, 3, 3, 3)), **SIZES), 64.0)
    rest = out.node("Shape", out.const(np.zeros((7, 2, 3))), start=-2)
    pads = out.node("Concat", out.const([0, 0], np.int64), rest, out.const([0] * 4, np.int64), axis=0)
    y = out.node("Conv", out.node("Pad", y, pads), out.const(signs(2, 4, 3, 3)), **SIZES)
    graph = import_model(out.model(y, opset=15, shapes=False))
    assert graph.types[graph.output].shape == (2, 6, 5)


@pytest.mark.parametrize("kind", [TensorProto.UINT8, TensorProto.INT8, TensorProto.INT16, None])
def test_the_type_of_a_quantizer_without_a_zero_point(kind: int | None, tmp_path: Path) -> None:
    """Operator set 21 says it in an attribute; uint8 without one."""

    def pair(out: Emitter, y: str) -> str:
        one = out.const(1.0)
        given = {} if kind is None else {"output_dtype": kind}
        y = out.node("DequantizeLinear", out.node("QuantizeLinear", y, one, **given), one)
        return out.node("MatMul", y, out.const(signs(12, 5)))

    out = Emitter((20,), "INT4")
    y = pair(out, out.node("MatMul", "x", out.const(signs(20, 12))))
    proved(out.model(y, opset=21), tmp_path)


def test_a_quantizer_to_floats() -> None:
    out = Emitter((20,), "INT4")
    one = out.const(1.0)
    y = out.node("QuantizeLinear", "x", one, output_dtype=TensorProto.FLOAT8E4M3FN)
    y = out.node("MatMul", out.node("DequantizeLinear", y, one), out.const(signs(20, 5)))
    with pytest.raises(UnsupportedNode, match=r"QuantizeLinear_0.*float8"):
        import_model(out.model(y, opset=21, shapes=False))


@pytest.mark.parametrize(
    "ending", [lambda out, x: out.node("Relu", x), lambda out, x: out.node("Flatten", x)]
)
def test_no_layers(ending: Ending) -> None:
    out = Emitter((20,), "INT4")
    graph = import_model(out.model(ending(out, "x")))
    with pytest.raises(BadInput, match="no layers"):
        lower(graph)


@pytest.mark.parametrize("training", [True, False, None])
def test_dropout(training: bool | None, tmp_path: Path) -> None:
    def ending(out: Emitter, y: str) -> str:
        mode = [] if training is None else [out.const(training, np.bool_)]
        y = out.node("Dropout", y, out.const(0.5), *mode)
        return out.node("MatMul", quantized(out, y, 4.0), out.const(signs(12, 4)))

    if training:
        with pytest.raises(UnsupportedNode, match=r"Dropout_1.*training mode"):
            import_model(dense(ending))
    else:
        proved(dense(ending), tmp_path)


@pytest.mark.parametrize("target", [[1, 96], [1, -1], [0, -1], [-1, 96]])
def test_a_shuffle_that_is_flattened_at_once(target: list[int], tmp_path: Path) -> None:
    """As torch's newer exporter writes it: one Reshape joins the groups and flattens the image."""
    out = Emitter((3, 8, 6), "UINT8")
    y = quantized(out, out.node("Conv", "x", out.const(signs(4, 3, 3, 3)), **SIZES), 64.0)
    y = out.node("Reshape", y, out.const([1, 2, 2, 6, 4], np.int64))
    y = out.node("Transpose", y, perm=[0, 2, 1, 3, 4])
    y = out.node("Reshape", y, out.const(target, np.int64))
    proved(out.model(out.node("MatMul", y, out.const(signs(96, 5)))), tmp_path)


@pytest.mark.parametrize("axes", [[2, 3], [-1, -2], [3], [1, 2]])
def test_a_border_of_some_axes(axes: list[int], tmp_path: Path) -> None:
    """As operator set 18 has it."""
    amounts = [1, 2, 0, 3] if axes != [3] else [1, 2]
    if axes[0] == 1:
        amounts = [0, 1, 0, 2]
    out = Emitter((3, 8, 6), "UINT8")
    y = quantized(out, out.node("Conv", "x", out.const(signs(4, 3, 3, 3)), **SIZES), 64.0)
    y = out.node("Pad", y, out.const(amounts, np.int64), "", out.const(axes, np.int64))
    proved(out.model(out.node("Conv", y, out.const(signs(2, 4, 3, 3)), **SIZES), opset=18), tmp_path)


@pytest.mark.parametrize("axes", [[2, 2], [2], [4, 5]])
def test_borders_that_do_not_fit(axes: list[int]) -> None:
    out = Emitter((3, 8, 6), "UINT8")
    y = out.node("Pad", "x", out.const([1, 1, 1, 1], np.int64), "", out.const(axes, np.int64))
    y = out.node("Conv", y, out.const(signs(2, 3, 3, 3)), **SIZES)
    with pytest.raises(UnsupportedNode, match=r"Pad_0.*do not fit"):
        import_model(out.model(y, opset=18, shapes=False))


def test_flattening_counted_from_behind(tmp_path: Path) -> None:
    out = Emitter((3, 4, 4), "UINT8")
    y = quantized(out, out.node("Conv", "x", out.const(signs(4, 3, 3, 3)), **SIZES), 64.0)
    proved(out.model(out.node("MatMul", out.node("Flatten", y, axis=-3), out.const(signs(16, 5)))), tmp_path)


def test_a_transpose_between_the_input_and_its_quantizer(tmp_path: Path) -> None:
    """Where qonnx's ConvertToChannelsLastAndClean puts it: the quantizer says what the input holds."""
    out = Emitter((8, 6, 3))
    y = quantized(out, out.node("Transpose", "x", perm=[0, 3, 1, 2]), 0.25, 4.0)
    y = out.node("Conv", y, out.const(signs(4, 3, 3, 3)), **SIZES)
    graph = proved(out.model(y), tmp_path)
    assert graph.input.dtype.name == "INT4"
    assert graph.source.channels_last


@pytest.mark.parametrize(
    ("behind", "name"),
    [
        (lambda out, y: out.node("Cast", y, to=TensorProto.INT32), "Cast_2"),
        (lambda out, y: out.node("Squeeze", y, out.const([1], np.int64)), "Squeeze_2"),
    ],
)
def test_what_stands_behind_the_winning_class(behind: Ending, name: str) -> None:
    model = dense(lambda out, y: behind(out, out.node("ArgMax", y, axis=1)), TensorProto.INT64)
    with pytest.raises(UnsupportedNode, match=rf"{name}.*winning class") as caught:
        import_model(model)
    assert "end the network in the ArgMax" in caught.value.remedy


@pytest.mark.parametrize(
    ("op", "remedy"), [("QGemm", "QuantFormat.QDQ"), ("DequantizeLinear", "quantize_static")]
)
def test_domains_of_onnxruntime_s_own(op: str, remedy: str) -> None:
    model = dense(lambda out, y: out.node("Relu", y))
    model.graph.node[-1].op_type, model.graph.node[-1].domain = op, "com.microsoft"
    with pytest.raises(UnsupportedNode, match=r"com\.microsoft") as caught:
        import_model(model)
    assert remedy in caught.value.remedy


@pytest.mark.parametrize("ends", [[1, 3], [2**63 - 1, 3]])
def test_slices_of_a_batch(ends: list[int], tmp_path: Path) -> None:
    """One that is open to the end, as x[:, 0:3] has it, picks none of the samples."""

    def body(out: Emitter, x: str) -> str:
        return out.node("Slice", x, out.const([0, 0], np.int64), out.const(ends, np.int64))

    if ends[0] == 1:
        with pytest.raises(UnsupportedNode, match=r"Slice_\d.*samples of a batch"):
            import_model(image(body))
    else:
        proved(image(body), tmp_path)


def with_tensor(model: onnx.ModelProto, name: str, kind: int, values: np.ndarray) -> None:
    model.graph.initializer.append(onnx.helper.make_tensor(name, kind, values.shape, values.reshape(-1)))


@pytest.mark.parametrize(("kind", "low"), [(TensorProto.INT4, -8), (TensorProto.UINT4, 0)])
def test_weights_of_four_bits(kind: int, low: int, tmp_path: Path) -> None:
    """As onnxruntime's QInt4 writes them."""
    out = Emitter((20,), "UINT8")
    weights = out.node("DequantizeLinear", "four", out.const(0.25), "zero")
    model = out.model(out.node("MatMul", "x", weights), opset=21, shapes=False)
    with_tensor(model, "four", kind, np.random.default_rng(2).integers(low, low + 16, (20, 5)))
    with_tensor(model, "zero", kind, np.array(low + 7))
    proved(model, tmp_path)


def test_other_integers_of_four_bits_are_refused() -> None:
    """A QuantizeLinear saturates at its zero point's type."""
    model = dense(lambda out, y: out.node("QuantizeLinear", y, out.const(1.0), "four"))
    with_tensor(model, "four", TensorProto.INT4, np.array(1))
    with pytest.raises(BadInput, match=r"four.*int4") as caught:
        import_model(model)
    assert "int8" in caught.value.remedy


def test_what_no_output_depends_on_is_left_out(tmp_path: Path) -> None:
    out = Emitter((8,), "UINT8")
    y = out.node("MatMul", "x", out.const(signs(8, 5)))
    aside = out.node("Softplus", y)  # none of ours, were it read
    out.node("Sqrt", aside)
    notes = proved(out.model(y), tmp_path).notes
    names = [note.partition(" is left out")[0] for note in notes]
    assert names == ["node 'Softplus_1' (Softplus)", "node 'Sqrt_2' (Sqrt)"]
