"""What Brevitas users have: its example networks, exported by Brevitas alone, through our commands."""

from __future__ import annotations

import configparser
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from brevitas.export import export_qonnx
from brevitas_examples.bnn_pynq.models import model_with_cfg
from brevitas_examples.bnn_pynq.models.CNV import CNV
from brevitas_examples.bnn_pynq.models.FC import FC
from brevitas_examples.bnn_pynq.models.resnet import quant_resnet18
from click.testing import CliRunner
from numpy.typing import NDArray
from torch import nn

from etb_hw.cli import main
from etb_hw.config import BuildConfig
from etb_hw.dataflow import lower
from etb_hw.flow.building import build_graph
from etb_hw.flow.proofs import prove_dataflow, prove_import, prove_packed, random_inputs
from etb_hw.integer import IntegerGraph
from etb_hw.integer.packed import PackedExecutor
from etb_hw.integer.reference import execute as reference
from etb_hw.qonnx_io import ImportOptions, import_model
from hw_tests.qonnx_io.test_torch_models import padded_net, randomise

PUBLISHED = (
    "tfc_1w1a", "tfc_1w2a", "tfc_2w2a", "sfc_1w1a", "sfc_1w2a", "sfc_2w2a", "lfc_1w1a", "lfc_1w2a",
    "cnv_1w1a", "cnv_1w2a", "cnv_2w2a", "resnet18_4w4a",
)  # fmt: skip
MAPPING = ["--input-dtype", "uint8", "--input-scale", "1/255"]


def cnv(bits: int) -> tuple[nn.Module, tuple[int, ...]]:
    return CNV(10, bits, bits, 8, 3), (3, 32, 32)


def tfc(bits: int) -> tuple[nn.Module, tuple[int, ...]]:
    return FC(10, bits, bits, bits, in_channels=1, out_features=[64, 64, 64]), (1, 28, 28)


def exported(module: nn.Module, shape: tuple[int, ...], path: Path) -> nn.Module:
    """As a user does it: no cleanup, no annotation."""
    randomise(module)
    export_qonnx(module, args=torch.zeros(1, *shape), export_path=str(path), opset_version=13, dynamo=False)
    return module


@pytest.mark.parametrize("bits", [1, 2])
@pytest.mark.parametrize("build", [cnv, tfc])
def test_import_of_an_uncleaned_export(tmp_path: Path, build, bits: int) -> None:  # type: ignore[no-untyped-def]
    module, shape = build(bits)
    exported(module, shape, tmp_path / "model.onnx")
    options = ImportOptions.parse("uint8", "1/255")
    graph = import_model(tmp_path / "model.onnx", options)
    x = np.random.default_rng(0).integers(0, 256, (4, *shape))
    with torch.no_grad():
        golden = module(torch.from_numpy(graph.to_float(x))).numpy()
    np.testing.assert_array_equal(graph.dequantize(reference(graph, x)), golden)


class Padded(nn.Module):
    """Borders of -1, and a shape computed from a tensor: PyTorch exports subgraphs for both."""

    def __init__(self) -> None:
        super().__init__()
        self.body = padded_net()[:8]
        self.head = padded_net()[9]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.body(x)
        return self.head(x.view(x.shape[0], -1))  # type: ignore[no-any-return]


@pytest.mark.parametrize("form", ["as exported", "no shapes declared", "constants in nodes"])
def test_shape_subgraphs_and_outputs_without_a_shape(form: str, tmp_path: Path) -> None:
    path, module = tmp_path / "model.onnx", Padded().eval()
    export_qonnx(module, args=torch.zeros(1, 3, 8, 8), export_path=str(path), opset_version=13, dynamo=False)
    model = onnx.load(path)
    assert {"Pad", "Shape", "Gather"} <= {node.op_type for node in model.graph.node}
    if form == "no shapes declared":
        model.graph.ClearField("value_info")
        model.graph.output[0].type.tensor_type.ClearField("shape")
    elif form == "constants in nodes":
        small = [tensor for tensor in model.graph.initializer if len(tensor.dims) < 2]
        for tensor in small:
            model.graph.initializer.remove(tensor)
            model.graph.node.insert(0, onnx.helper.make_node("Constant", [], [tensor.name], value=tensor))
            for given in [given for given in model.graph.input if given.name == tensor.name]:
                model.graph.input.remove(given)
    onnx.save(model, str(path))
    graph = import_model(path, ImportOptions.parse("uint8"))
    x = random_inputs(graph, 6)
    assert prove_import(graph, path, x).mismatches == 0
    with torch.no_grad():
        golden = module(torch.from_numpy(graph.to_float(x))).numpy()
    np.testing.assert_array_equal(graph.dequantize(reference(graph, x)), golden)
    prove_dataflow(lower(graph), graph, x)


@pytest.mark.parametrize("activations", [1, 2])
@pytest.mark.parametrize("build", [FC, CNV])
def test_one_bit_weights_and_wider_activations(tmp_path: Path, build, activations: int) -> None:  # type: ignore[no-untyped-def]
    if build is FC:
        module, shape = FC(10, 1, activations, 8, in_channels=1, out_features=[64] * 3), (1, 28, 28)
    else:
        module, shape = CNV(10, 1, activations, 8, 3), (3, 32, 32)
    in_every_engine(module, shape, tmp_path)


def test_resnet18_of_four_bits(tmp_path: Path) -> None:
    """Weights and activations of 4 bits, biases of 32, sums that float32 cannot resolve."""
    settings = configparser.ConfigParser()
    settings.read_dict({"MODEL": {"NUM_CLASSES": 10}, "QUANT": {"WEIGHT_BIT_WIDTH": 4, "ACT_BIT_WIDTH": 4}})
    in_every_engine(quant_resnet18(settings), (3, 32, 32), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLISHED)
def test_every_published_topology_is_built(name: str, tmp_path: Path) -> None:
    """Of ``brevitas_examples.bnn_pynq``: equal to qonnx, packed, lowered, folded and with sized FIFOs."""
    module, settings = model_with_cfg(name, pretrained=False)
    channels = settings.getint("MODEL", "IN_CHANNELS", fallback=3)
    shape = (channels, 28, 28) if channels == 1 else (channels, 32, 32)
    graph, x = in_every_engine(module, shape, tmp_path)
    made = build_graph(graph, BuildConfig(target_fps=100 if "resnet" in name else 1000, time_limit_s=10), x)
    assert made.proof.status == "equal"
    assert made.design.streams.interval <= made.design.graph.bottleneck.cycles


def in_every_engine(
    module: nn.Module, shape: tuple[int, ...], folder: Path
) -> tuple[IntegerGraph, NDArray[np.int64]]:
    """The integer graph, and the samples on which all engines were compared."""
    exported(module, shape, folder / "model.onnx")
    graph = import_model(folder / "model.onnx", ImportOptions.parse("uint8", "1/255"))
    x = random_inputs(graph, 2)
    prove_import(graph, folder / "model.onnx", x)
    prove_packed(PackedExecutor(graph), x)
    prove_dataflow(lower(graph), graph, x)
    return graph, x


@pytest.mark.parametrize("build", [tfc, pytest.param(cnv, marks=pytest.mark.slow)])
def test_build_and_simulate(tmp_path: Path, build) -> None:  # type: ignore[no-untyped-def]
    module, shape = build(1)
    exported(module, shape, tmp_path / "model.onnx")
    model, out = str(tmp_path / "model.onnx"), tmp_path / "out"
    runner = CliRunner()
    done = runner.invoke(main, ["build", model, *MAPPING, "--target-fps", "500", "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert all(row["mismatches"] == 0 for row in json.loads((out / "verification.json").read_text()))
    x = np.random.default_rng(0).integers(0, 256, (20, *shape), dtype=np.uint8)
    y = np.arange(20) % 10
    np.savez(tmp_path / "data.npz", train_x=x, train_y=y, test_x=x, test_y=y)
    done = runner.invoke(
        main, ["simulate", model, *MAPPING, "--data", str(tmp_path / "data.npz"), "--against", "qonnx"]
    )
    assert done.exit_code == 0, done.output
