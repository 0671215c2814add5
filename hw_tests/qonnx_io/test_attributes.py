"""Attributes that newer operator sets gave old ops: read, or refused by name where they mean something."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from etb_hw.errors import BadInput, UnsupportedNode
from etb_hw.qonnx_io import import_model
from etb_hw.qonnx_io.attributes import HARMLESS, READ
from etb_hw.qonnx_io.ops import HANDLERS
from hw_tests.fuzz.onnx_emitter import Emitter
from hw_tests.qonnx_io.test_forms_of_the_field import SIZES, dense, image, proved, quantized, signs


@pytest.mark.parametrize(("dilations", "strides"), [([2, 2], [1, 1]), ([2, 1], [3, 2]), ([1, 3], [2, 2])])
def test_an_average_pool_with_gaps(dilations: list[int], strides: list[int], tmp_path: Path) -> None:
    sizes = {"kernel_shape": [2, 2], "strides": strides, "dilations": dilations}
    model = image(lambda out, x: out.node("AveragePool", x, **sizes), (3, 9, 8))
    model.opset_import[0].version = 19
    proved(model, tmp_path)


def with_attribute(name: str, value: object, opset: int) -> onnx.ModelProto:
    def upsampled(out: Emitter, x: str) -> str:
        scales = out.const([1.0, 1.0, 2.0, 2.0])
        how = {"mode": "nearest", "nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"}
        return out.node("Resize", x, "", scales, **how, **{name: value})

    model = image(upsampled)
    model.opset_import[0].version = opset
    return model


def test_one_that_means_what_its_absence_does_is_none(tmp_path: Path) -> None:
    proved(with_attribute("keep_aspect_ratio_policy", "stretch", 18), tmp_path)


@pytest.mark.parametrize(
    ("name", "value"), [("keep_aspect_ratio_policy", "not_larger"), ("of_tomorrow", 1), ("of_tomorrow", [2])]
)
def test_others_are_refused(name: str, value: object) -> None:
    with pytest.raises(UnsupportedNode, match=rf"Resize_\d+.*has {name} "):
        import_model(with_attribute(name, value, 18))


def test_the_table_is_of_ops_and_of_their_attributes() -> None:
    assert {*READ, *HARMLESS} <= {*HANDLERS, "Constant", "ConstantOfShape", "Dropout"}
    for op in READ:
        assert not {*READ[op]} & {*HARMLESS.get(op, ())}


def test_a_maximum_over_the_pixels_by_a_reduction(tmp_path: Path) -> None:
    proved(image(lambda out, x: out.node("ReduceMax", x, axes=[2, 3], keepdims=1)), tmp_path)


def test_weights_whose_scales_have_signs(tmp_path: Path) -> None:
    out = Emitter((20,), "INT4")
    scale = np.where(np.arange(5) % 2, -0.5, 0.25).reshape(1, 5)
    weights = out.node("BipolarQuant", out.const(signs(20, 5)), out.const(scale))
    proved(out.model(out.node("MatMul", "x", weights)), tmp_path)


@pytest.mark.parametrize("group", [0, -1, 2, 10**12])
def test_groups_that_do_not_fit(group: int) -> None:
    out = Emitter((3, 8, 6), "UINT8")
    y = out.node("Conv", "x", out.const(signs(4, 3, 3, 3)), **{**SIZES, "group": group})
    with pytest.raises(UnsupportedNode, match=rf"Conv_0.*in {group} groups, for 3 channels"):
        import_model(out.model(y, shapes=False))


def test_what_is_broken_is_named_before_the_input_s_type() -> None:
    def broken(change: str) -> onnx.ModelProto:
        out = Emitter((20,), None)
        y = quantized(out, "x")
        model = out.model(out.node("MatMul", y, out.const(signs(20, 5))), shapes=False)
        if change == "output":
            model.graph.output[0].name = "logits"
        elif change == "cycle":
            model.graph.node[0].input[0] = model.graph.node[1].output[0]
        else:
            model.graph.input[0].name = "X"
        return model

    for change, said in (
        ("output", "written by no node"),
        ("cycle", "has a cycle"),
        ("input", "nothing writes"),
    ):
        with pytest.raises(BadInput, match=said):
            import_model(broken(change))


@pytest.mark.parametrize(("version", "said"), [(99, "operator set 99"), (None, "does not say")])
def test_operator_sets_that_are_none(version: int | None, said: str) -> None:
    model = dense(lambda out, y: out.node("Relu", y))
    kept = [entry for entry in model.opset_import if entry.domain not in ("", "ai.onnx")]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    if version is not None:
        model.opset_import.append(onnx.helper.make_opsetid("", version))
    with pytest.raises(BadInput, match=said):
        import_model(model)


def split_over_files(folder: Path, name: str = "model.onnx.data") -> Path:
    """As torch's exporter leaves a model: values in a file beside it."""
    model = dense(lambda out, y: out.node("BipolarQuant", y, out.const(1.0)))
    path = folder / "model.onnx"
    onnx.save_model(
        model, str(path), save_as_external_data=True, location="model.onnx.data", size_threshold=0
    )
    stored = onnx.load(str(path), load_external_data=False)
    for tensor in stored.graph.initializer:
        assert tensor.data_location == TensorProto.EXTERNAL
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = name
    path.write_bytes(stored.SerializeToString())
    return path


def test_values_in_a_file_beside_the_model(tmp_path: Path) -> None:
    path = split_over_files(tmp_path)
    whole = import_model(onnx.load(str(path)))
    graph = import_model(path)
    x = np.random.default_rng(0).integers(-8, 8, (9, 20))
    from etb_hw.integer.reference import execute

    np.testing.assert_array_equal(execute(graph, x), execute(whole, x))
    data = tmp_path / "model.onnx.data"
    data.write_bytes(data.read_bytes()[:-8])
    with pytest.raises(BadInput, match=r"tensor 'const_\d+': has [\d,]+ bytes of values"):
        import_model(path)
    data.unlink()
    with pytest.raises(BadInput, match=r"model\.onnx\.data") as refused:
        import_model(path)
    assert "beside" in refused.value.remedy


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/b", "..", "", "link"])
def test_values_anywhere_else_are_not_read(name: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(bytes(10_000))
    folder = tmp_path / "model"
    folder.mkdir()
    path = split_over_files(folder, name)
    (folder / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(BadInput, match="no plain file beside the model"):
        import_model(path)
