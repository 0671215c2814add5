"""Files and graphs that cannot be used: one clear error, never a traceback, a hang or a flood of memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etb_hw.errors import BadInput, EtbError, UnsupportedNode
from etb_hw.qonnx_io import execute, export_finn, import_model
from hw_tests.fuzz.onnx_emitter import Emitter


def small_model(**changes: object) -> onnx.ModelProto:
    rng = np.random.default_rng(0)
    out = Emitter((2, 6, 6), "UINT8")
    weights = out.node("BipolarQuant", out.const(rng.standard_normal((4, 2, 3, 3))), out.const(1.0))
    y = out.node("Conv", "x", weights, pads=[1, 1, 1, 1])
    y = out.node("BatchNormalization", y, *[out.const(v) for v in np.ones((4, 4))])
    y = out.node("MaxPool", out.node("BipolarQuant", y, out.const(1.0)), kernel_shape=[2, 2], strides=[2, 2])
    y = out.node("Flatten", y)
    return out.model(out.node("MatMul", y, out.const(rng.integers(-2, 3, (36, 5)))))


def refused(model: onnx.ModelProto) -> EtbError:
    with pytest.raises(EtbError) as caught:
        import_model(model)
    assert caught.value.where
    assert caught.value.reason
    assert caught.value.remedy
    return caught.value


@pytest.mark.parametrize("content", [b"", b"not a model", bytes(1000), b"\xff" * 64])
def test_files_that_are_no_onnx(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    for use in (import_model, lambda p: export_finn(p, tmp_path / "out.onnx")):
        with pytest.raises(BadInput, match=r"model\.onnx"):
            use(path)
    assert not (tmp_path / "out.onnx").exists()


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    data = small_model().SerializeToString()
    assert data.count(b"BatchNormalization_") == 1
    path = tmp_path / "model.onnx"
    path.write_bytes(data.replace(b"BatchNormalization_", b"\x80atchNormalization_"))
    with pytest.raises(BadInput, match=r"model\.onnx.*no text.*x80atchNorm"):
        import_model(path)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="does not exist"):
        import_model(tmp_path / "none.onnx")
    with pytest.raises(BadInput, match="is a folder"):
        import_model(tmp_path)


def test_every_truncation_is_an_error(tmp_path: Path) -> None:
    data = small_model().SerializeToString()
    path = tmp_path / "cut.onnx"
    for size in range(0, len(data) - 1, 37):
        path.write_bytes(data[:size])
        try:
            import_model(path)
        except EtbError:
            continue
        # what is left may be a whole message that lost nothing but annotations at the end
        assert size > len(data) * 0.9


@settings(max_examples=150, deadline=2000)
@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=8), st.integers(0, 4)
)
def test_mutated_files_never_crash(changes: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(_SMALL)
    for position, value in changes:
        data[position % len(data)] = value
    model = onnx.ModelProto()
    try:
        model.ParseFromString(bytes(data[: len(data) - cut]))
        import_model(model)
    except (EtbError, _DECODE):
        pass


def _decode_error() -> type[Exception]:
    from google.protobuf.message import DecodeError

    return DecodeError


_SMALL = small_model().SerializeToString()
_DECODE = _decode_error()


@pytest.mark.parametrize("op", ["Gelu", "Softmax", "LSTM", "ConvTranspose", "NoSuchOp"])
def test_unsupported_nodes_are_named(op: str) -> None:
    model = small_model()
    model.graph.node[-2].op_type = op
    error = refused(model)
    assert isinstance(error, UnsupportedNode)
    assert op in error.where
    assert model.graph.node[-2].name in error.where


def test_nan_weights() -> None:
    model = small_model()
    tensor = model.graph.initializer[0]
    broken = onnx.numpy_helper.to_array(tensor).copy()
    broken[0, 0, 0, 0] = np.nan
    tensor.CopyFrom(onnx.numpy_helper.from_array(broken, tensor.name))
    assert "NaN" in refused(model).reason


def test_float_weights_say_what_to_do() -> None:
    out = Emitter((3,), "UINT8")
    error = refused(out.model(out.node("MatMul", "x", out.const(np.random.default_rng(0).random((3, 2))))))
    assert "quantize" in error.remedy


def test_input_without_data_type() -> None:
    out = Emitter((3,))
    error = refused(out.model(out.node("MatMul", "x", out.const(np.ones((3, 2))))))
    assert "--input-dtype" in error.remedy


def test_external_data_is_refused() -> None:
    model = small_model()
    model.graph.initializer[0].data_location = onnx.TensorProto.EXTERNAL
    assert "another file" in refused(model).reason


def unwired(change: str) -> onnx.ModelProto:
    """A network whose input says nothing of its type: its first quantizer does."""
    out = Emitter((12,))
    y = out.node("Quant", "x", out.const(1.0), out.const(0.0), out.const(4.0), signed=1, narrow=0)
    model = out.model(out.node("MatMul", y, out.const(np.eye(12)[:, :3])))
    match change:
        case "output":
            model.graph.output[0].name = "logits"
        case "cycle":
            model.graph.node[0].input[0] = model.graph.node[-1].output[0]
        case _:
            model.graph.input[0].name = "image"
    return model


@pytest.mark.parametrize(
    ("change", "where", "reason"),
    [
        ("output", "output 'logits'", "written by no node"),
        ("cycle", "the graph", "cycle"),
        ("input", "Quant_0", "reads 'x', which nothing writes"),
    ],
)
def test_broken_wires_are_not_blamed_on_the_input_s_type(change: str, where: str, reason: str) -> None:
    error = refused(unwired(change))
    assert where in error.where
    assert reason in error.reason


@pytest.mark.parametrize("version", [-1, 0, 99, 2**40, None])
def test_operator_sets_that_there_are_not(version: int | None) -> None:
    model = small_model()
    for entry in [entry for entry in model.opset_import if not entry.domain]:
        model.opset_import.remove(entry)
    if version is not None:
        model.opset_import.add(version=version)
    assert "operator set" in refused(model).reason


@pytest.mark.parametrize("groups", [0, -1, 3, 10**12])
def test_groups_that_there_are_not(groups: int) -> None:
    out = Emitter((4, 6, 6), "UINT4")
    error = refused(out.model(out.node("Conv", "x", out.const(np.ones((4, 4, 1, 1))), group=groups)))
    assert "Conv_0" in error.where
    assert f"in {groups} groups, for 4 channels" in error.reason


def test_values_beyond_float32() -> None:
    out = Emitter((4,), "INT8")
    x = out.node("Mul", "x", out.const(3e38))
    error = refused(out.model(out.node("MatMul", x, out.const(np.eye(4)))))
    assert "overflow float32" in error.reason


def test_cycles_and_dangling_names() -> None:
    model = small_model()
    model.graph.node[1].input[0] = model.graph.node[-1].output[0]
    assert "cycle" in refused(model).reason
    model.graph.node[1].input[0] = "nothing"
    assert "nothing" in refused(model).reason


def test_a_quantizer_that_reads_itself() -> None:
    out = Emitter((3, 6, 6), "UINT8")
    y = out.node("BipolarQuant", "x", out.const(1.0))
    model = out.model(out.node("Flatten", y))
    model.graph.node[0].output[0] = "x"
    assert "nothing writes" in refused(model).reason


def test_a_chain_of_thousands_of_nodes_folds() -> None:
    """What each node costs does not grow with the file: 3,000 took half a minute once."""
    out = Emitter((4,), "UINT8")
    y = "x"
    for _ in range(1500):
        y = out.node("Mul", out.node("Mul", y, out.const(2.0)), out.const(0.5))
    y = out.node("BipolarQuant", out.node("Sub", y, out.const(2.5)), out.const(1.0))
    logits = out.node("MatMul", y, out.const(np.ones((4, 3))))
    assert len(import_model(out.model(logits, shapes=False)).nodes) < 10


def test_absurd_shapes_take_no_memory() -> None:
    model = small_model()
    for attribute in model.graph.node[1].attribute:
        if attribute.name == "pads":
            attribute.ints[:] = [10**9] * 4
    refused(model)
    model = small_model()
    model.graph.initializer[0].dims[:] = [10**6, 10**6, 3, 3]
    refused(model)
    model = small_model()
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 10**12
    refused(model)


HOSTILE = "__import__('os').abort()"


@pytest.mark.parametrize(
    "layouts", [[HOSTILE], [HOSTILE, "['N']"], ["[x]"], ["['N', x]"], ["['N'] + [1]"], ["['Nx']"], ["['ß']"]]
)
def test_layout_annotations_are_never_evaluated(layouts: list[str]) -> None:
    """qonnx evaluates layout annotations as Python, the first of several: a file must not run code so."""
    model = small_model()
    for layout in layouts:
        pair = onnx.StringStringEntryProto(key="tensor_layout", value=layout)
        model.graph.quantization_annotation[0].quant_parameter_tensor_names.append(pair)
    with pytest.raises(BadInput, match="layout"):
        execute(model, np.zeros((1, 2, 6, 6)))


def test_scales_that_cannot_be_added() -> None:
    out = Emitter((4,), "INT4")
    a = out.node("Mul", "x", out.const(0.3))
    b = out.node("Mul", out.node("MatMul", "x", out.const(np.eye(4))), out.const(0.7071))
    error = refused(out.model(out.node("Add", a, b)))
    assert "Add" in error.where
    assert "scale" in error.remedy
