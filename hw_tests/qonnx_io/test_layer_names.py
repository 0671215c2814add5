"""A layer has one name: the user's module, the integer graph, the dataflow blocks, the RTL."""

from __future__ import annotations

from pathlib import Path

import brevitas.nn as qnn
import onnx
import pytest
import torch
from brevitas.quant.binary import SignedBinaryActPerTensorConst, SignedBinaryWeightPerTensorConst
from torch import nn

from etb_hw.dataflow import finn, finn_model, lower
from etb_hw.qonnx_io import export_model, import_model, write_streamlined
from etb_hw.qonnx_io.layer_names import layer_name
from etb_hw.rtl.generator import generate


class Own(nn.Module):
    """Modules within modules, as users have them; one name that the writers use for themselves."""

    def __init__(self) -> None:
        super().__init__()
        weights = {"weight_quant": SignedBinaryWeightPerTensorConst, "bias": False}
        self.features = nn.Sequential(
            qnn.QuantConv2d(2, 4, 3, **weights),
            nn.BatchNorm2d(4),
            qnn.QuantIdentity(act_quant=SignedBinaryActPerTensorConst),
        )
        self.classes = qnn.QuantLinear(64, 3, **weights)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classes(self.features(x).flatten(1))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("names") / "own.onnx"
    torch.manual_seed(0)
    export_model(Own(), path, (2, 6, 6))
    return path


def test_layers_have_the_names_of_the_modules(model: Path) -> None:
    names = [node.name for node in import_model(model).nodes]
    assert names == ["input_0", "features.0", "features.2", "flatten_0", "classes"]


def test_blocks_and_rtl_speak_of_them(model: Path) -> None:
    design = lower(import_model(model), label_select=True)
    assert {"features.0", "classes"} <= {block.layer for block in design.blocks}
    assert "// layer: features.0" in generate(design)["etb_top.sv"]


def test_they_survive_both_files(model: Path, tmp_path: Path) -> None:
    graph = import_model(model)
    write_streamlined(graph, tmp_path / "s.onnx")
    assert [node.name for node in import_model(tmp_path / "s.onnx").nodes] == [n.name for n in graph.nodes]
    finn.write(lower(graph), tmp_path, finn_model)
    blocks = finn.read(tmp_path / "dataflow.onnx").blocks
    assert [b.layer for b in blocks] == [b.layer for b in lower(graph).blocks]


@pytest.mark.parametrize(
    ("name", "op", "expected"),
    [
        ("/features/features.3/Conv", "Conv", "features.3"),
        ("/conv1/core/Conv_1", "Conv", "conv1"),
        ("/act/act_quant/export_handler/BipolarQuant", "BipolarQuant", "act"),
        ("Conv_7", "Conv", "Conv_7"),
        ("", "Conv", ""),
        ("/Conv", "Conv", ""),
        ("../../etc/pass wd\n", "Conv", "......etc.pass_wd_"),
        ("x" * 500, "Conv", "x" * 64),
    ],
)
def test_names_of_nodes(name: str, op: str, expected: str) -> None:
    node = onnx.helper.make_node(op, [], ["y"], name=name)
    assert layer_name(node) == expected


def test_equal_names_are_told_apart() -> None:
    x = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 2, 4, 4])
    y = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 2, 1, 1])
    pool = {"kernel_shape": [2, 2], "strides": [2, 2], "name": "same"}
    nodes = [
        onnx.helper.make_node("MaxPool", ["x"], ["h"], **pool),
        onnx.helper.make_node("MaxPool", ["h"], ["y"], **pool),
    ]
    graph = onnx.helper.make_graph(nodes, "g", [x], [y])
    note = graph.quantization_annotation.add(tensor_name="x")
    note.quant_parameter_tensor_names.add(key="finn_datatype", value="UINT8")
    names = [node.name for node in import_model(onnx.helper.make_model(graph)).nodes]
    assert len(set(names)) == 3
    assert names[1] == "same"
