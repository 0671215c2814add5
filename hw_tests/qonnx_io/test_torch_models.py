"""Stock Brevitas networks: exported, imported, streamlined; every stage gives the same bits."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from brevitas.nn import QuantConv1d, QuantConv2d, QuantIdentity, QuantLinear
from brevitas.quant.binary import SignedBinaryActPerTensorConst, SignedBinaryWeightPerTensorConst
from brevitas_examples.bnn_pynq.models.CNV import CNV
from brevitas_examples.bnn_pynq.models.FC import FC
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.infer_data_layouts import InferDataLayouts
from qonnx.transformation.infer_datatypes import InferDataTypes
from qonnx.util.cleanup import cleanup_model
from torch import nn

from etb_hw.errors import BadInput
from etb_hw.integer import IntegerGraph
from etb_hw.integer.reference import execute as reference
from etb_hw.qonnx_io import (
    ImportOptions,
    execute,
    export_finn,
    export_model,
    import_model,
    write_streamlined,
)


class Weight(SignedBinaryWeightPerTensorConst):
    scaling_const = 1.0


class Act(SignedBinaryActPerTensorConst):
    scaling_const = 1.0


def randomise(module: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            layer.running_mean.normal_(0, 3)
            layer.running_var.uniform_(0.5, 30)
            layer.weight.data.normal_(0.5, 1)
            layer.bias.data.normal_()
    return module.eval()


def padded_net() -> nn.Module:
    """Borders of -1 inside and 0 on pixels, as networks of this package have them."""
    torch.manual_seed(0)
    return randomise(
        nn.Sequential(
            QuantConv2d(3, 8, 3, padding=1, bias=False, weight_quant=Weight),
            nn.BatchNorm2d(8),
            QuantIdentity(act_quant=Act),
            nn.ConstantPad2d(1, -1.0),
            QuantConv2d(8, 7, 3, bias=False, weight_quant=Weight),
            nn.BatchNorm2d(7),
            QuantIdentity(act_quant=Act),
            nn.MaxPool2d(2),
            nn.Flatten(),
            QuantLinear(7 * 16, 5, bias=False, weight_quant=Weight),
        )
    )


def prove(
    module: nn.Module, shape: tuple[int, ...], folder: Path, options: ImportOptions | None = None
) -> IntegerGraph:
    path, streamlined = folder / "model.qonnx.onnx", folder / "streamlined.onnx"
    if options is None:
        export_model(module, path, shape)
        options = ImportOptions()
    else:
        export_model(module, path, shape, input_dtype=None)
    graph = import_model(path, options)
    write_streamlined(graph, streamlined)
    x = np.random.default_rng(0).integers(0, 256, (5, *shape))
    with torch.no_grad():
        golden = module(torch.from_numpy(graph.to_float(x))).numpy()
    np.testing.assert_array_equal(execute(path, graph.to_float(x), batch=2), golden)
    np.testing.assert_array_equal(graph.dequantize(reference(graph, x)), golden)
    np.testing.assert_array_equal(execute(streamlined, x), golden)
    again = import_model(streamlined)
    np.testing.assert_array_equal(reference(again, x), reference(graph, x))
    assert [(n.name, n.inputs) for n in again.nodes] == [(n.name, n.inputs) for n in graph.nodes]
    return graph


def test_padded_network(tmp_path: Path) -> None:
    graph = prove(padded_net(), (3, 8, 8), tmp_path)
    assert [n.pad_value for n in graph.nodes if hasattr(n, "pad_value")] == [0, -1]


@pytest.mark.parametrize("bits", [1, 2])
def test_stock_cnv(tmp_path: Path, bits: int) -> None:
    prove(randomise(CNV(10, bits, bits, 8, 3)), (3, 32, 32), tmp_path, ImportOptions.parse("uint8", "1/255"))


@pytest.mark.parametrize("bits", [1, 2])
def test_stock_tfc(tmp_path: Path, bits: int) -> None:
    net = FC(10, bits, bits, bits, in_channels=1, out_features=[64, 64, 64])
    prove(randomise(net), (1, 28, 28), tmp_path, ImportOptions.parse("uint8", "1/255"))


def test_files_say_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "model.qonnx.onnx"
    export_model(padded_net(), path, (3, 8, 8))
    export_finn(path, tmp_path / "model.finn.onnx")
    universal, finn = (
        {p.key: p.value for p in onnx.load(f).metadata_props} for f in (path, tmp_path / "model.finn.onnx")
    )
    assert universal["etb_hw.kind"] == "qonnx"
    assert finn["etb_hw.kind"] == "finn"
    assert universal["etb_hw.padding"] != finn["etb_hw.padding"]


def test_finn_file_has_pads_and_is_otherwise_the_same(tmp_path: Path) -> None:
    path, target = tmp_path / "model.qonnx.onnx", tmp_path / "model.finn.onnx"
    export_model(padded_net(), path, (3, 8, 8))
    export_finn(path, target)
    finn = onnx.load(target)
    assert "Pad" not in [n.op_type for n in finn.graph.node]
    pads = [list(a.ints) for n in finn.graph.node for a in n.attribute if a.name == "pads"]
    assert pads[:2] == [[1, 1, 1, 1], [1, 1, 1, 1]]
    onnx.shape_inference.infer_shapes(finn, strict_mode=False)


def test_finn_file_reads_back_with_the_padding_it_stands_for(tmp_path: Path) -> None:
    path, target = tmp_path / "model.qonnx.onnx", tmp_path / "model.finn.onnx"
    export_model(padded_net(), path, (3, 8, 8))
    export_finn(path, target)
    x = np.random.default_rng(0).integers(0, 256, (5, 3, 8, 8))
    np.testing.assert_array_equal(reference(import_model(target), x), reference(import_model(path), x))


class Joined(nn.Module):
    """Reads one tensor in several places of one node, as shortcuts that double the channels do."""

    def __init__(self, join: Callable[[torch.Tensor], torch.Tensor], channels: int) -> None:
        super().__init__()
        self.join = join
        self.first = QuantConv2d(3, 4, 3, bias=False, weight_quant=Weight)
        self.act = QuantIdentity(Act)
        self.last = QuantConv2d(channels, 5, 6, bias=False, weight_quant=Weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.last(self.join(self.act(self.first(x))))
        return y


@pytest.mark.parametrize(
    ("join", "channels"),
    [(lambda x: x + x, 4), (lambda x: torch.cat([x, x], 1), 8), (lambda x: torch.cat([x, -x, x], 1), 12)],
)
def test_one_tensor_in_several_places_of_a_node(
    join: Callable[[torch.Tensor], torch.Tensor], channels: int, tmp_path: Path
) -> None:
    prove(Joined(join, channels), (3, 8, 8), tmp_path)


def behind_a_layer(pool: nn.Module, signal: bool = False) -> nn.Module:
    """Brevitas' layers hide from the exporter how many pixels reach the pool."""
    if signal:
        conv, norm = QuantConv1d(3, 4, 3, padding=1, bias=False, weight_quant=Weight), nn.BatchNorm1d(4)
    else:
        conv, norm = QuantConv2d(3, 4, 3, padding=1, bias=False, weight_quant=Weight), nn.BatchNorm2d(4)
    return randomise(nn.Sequential(conv, norm, QuantIdentity(act_quant=Act), pool, nn.Flatten()))


@pytest.mark.parametrize(
    ("pool", "shape"),
    [
        (nn.AdaptiveAvgPool2d(4), (3, 8, 8)),
        (nn.AdaptiveMaxPool2d((4, 1)), (3, 8, 8)),
        (nn.AdaptiveAvgPool2d((None, 2)), (3, 6, 4)),
        (nn.AdaptiveAvgPool2d(8), (3, 8, 8)),
    ],
)
def test_an_adaptive_pool_that_divides_the_image_is_a_plain_one(
    pool: nn.Module, shape: tuple[int, ...], tmp_path: Path
) -> None:
    prove(behind_a_layer(pool), shape, tmp_path)


class Squeezed(nn.Module):
    def __init__(self, squeeze: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.body, self.squeeze = behind_a_layer(nn.Identity())[:3], squeeze

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.body(x)
        return self.squeeze(F.avg_pool2d(x, x.size()[2:]))


@pytest.mark.parametrize(
    "squeeze",
    [
        lambda x: x.squeeze(-1).squeeze(-1),
        lambda x: x.squeeze((2, 3)),
        lambda x: torch.squeeze(x, dim=(-1, 2)),
        lambda x: x.squeeze(1).squeeze(3).squeeze(-1),
    ],
)
def test_sizes_of_one_are_squeezed(squeeze: Callable[[torch.Tensor], torch.Tensor], tmp_path: Path) -> None:
    """torch writes an If where it does not know a size, and nothing at all for several axes."""
    prove(Squeezed(squeeze), (3, 8, 8), tmp_path)


@pytest.mark.parametrize("pool", [nn.AdaptiveAvgPool1d(4), nn.AdaptiveMaxPool1d(4)])
def test_so_is_one_that_divides_a_signal(pool: nn.Module, tmp_path: Path) -> None:
    module, path = behind_a_layer(pool, signal=True), tmp_path / "model.onnx"
    export_model(module, path, (3, 16))
    x = torch.randint(0, 256, (5, 3, 16))
    graph = import_model(path)
    with torch.no_grad():
        golden = module(x.float()).numpy()
    np.testing.assert_array_equal(graph.dequantize(reference(graph, x[:, :, None].numpy())), golden)


@pytest.mark.parametrize("pool", [nn.AdaptiveAvgPool2d((4, 3)), nn.AdaptiveMaxPool2d(16)])
def test_an_adaptive_pool_that_does_not_is_refused_with_the_sizes(pool: nn.Module, tmp_path: Path) -> None:
    sizes = f"module '3'.*pools 8x8 pixels to {'4x3' if isinstance(pool, nn.AdaptiveAvgPool2d) else '16x16'}"
    with pytest.raises(BadInput, match=sizes) as refused:
        export_model(behind_a_layer(pool), tmp_path / "model.onnx", (3, 8, 8))
    assert "divides" in refused.value.remedy


@pytest.mark.parametrize("fails", [False, True])
def test_an_export_leaves_every_part_in_its_own_mode(fails: bool, tmp_path: Path) -> None:
    """A frozen normalisation in a network that is trained on: the next step would move its statistics."""
    module = behind_a_layer(nn.AdaptiveAvgPool2d(3 if fails else 4)).train()
    module[1].eval()
    with pytest.raises(BadInput) if fails else nullcontext():
        export_model(module, tmp_path / "model.onnx", (3, 8, 8))
    assert [part.training for part in module.children()] == [True, False, True, True, True]


def test_what_cleaning_broke_is_told(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    export_model(Joined(lambda x: x + x, 4), path, (3, 8, 8))
    model = onnx.load(path)
    read = next(node.input[0] for node in model.graph.node if node.op_type == "Add")
    wrapped = ModelWrapper(model)
    wrapped.rename_tensor(read, "renamed")
    with pytest.raises(BadInput, match="nothing writes") as refused:
        import_model(wrapped.model)
    assert "before" in refused.value.remedy


@pytest.mark.parametrize(
    ("layer", "remedy"),
    [
        (nn.AdaptiveAvgPool2d(3), "plain pool"),
        (nn.MultiheadAttention(8, 2, batch_first=True), "Conv or Linear"),
    ],
)
def test_what_has_no_onnx_form_is_named(
    layer: nn.Module, remedy: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """And torch's graph, which it prints where an export fails, is not the user's."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(layer)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            several = isinstance(layer, nn.MultiheadAttention)
            y: torch.Tensor = self.body[0](x, x, x)[0] if several else self.body(x)
            return y

    shape = (4, 8) if isinstance(layer, nn.MultiheadAttention) else (2, 8, 8)
    with pytest.raises(BadInput, match=rf"module 'body.0' \({type(layer).__name__}\)") as refused:
        export_model(Net(), tmp_path / "model.onnx", shape)
    assert remedy in refused.value.remedy
    assert capfd.readouterr().out == ""


def test_nan_parameters_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    module = padded_net()
    module[1].running_var[0] = float("nan")
    with pytest.raises(BadInput, match="NaN"):
        export_model(module, tmp_path / "model.onnx", (3, 8, 8))
    assert not list(tmp_path.iterdir())


def test_qonnx_cleanup_accepts_our_file(tmp_path: Path) -> None:
    """Cleaning it again changes no number, and qonnx reads the input's type."""
    path = tmp_path / "model.qonnx.onnx"
    export_model(padded_net(), path, (3, 8, 8))
    cleaned = cleanup_model(ModelWrapper(str(path)))
    assert cleaned.get_tensor_datatype(cleaned.graph.input[0].name).name == "UINT8"
    x = np.random.default_rng(0).integers(0, 256, (3, 3, 8, 8))
    np.testing.assert_array_equal(execute(cleaned.model, x), execute(path, x))


def test_streamlined_annotations_are_what_qonnx_infers(tmp_path: Path) -> None:
    export_model(padded_net(), tmp_path / "m.onnx", (3, 8, 8))
    write_streamlined(import_model(tmp_path / "m.onnx"), tmp_path / "s.onnx")
    ours = ModelWrapper(str(tmp_path / "s.onnx"))
    inferred = ours.transform(InferDataTypes()).transform(InferDataLayouts())
    for node in ours.graph.node:
        name = node.output[0]
        if node.op_type in ("MultiThreshold", "MaxPool"):
            assert ours.get_tensor_datatype(name) == inferred.get_tensor_datatype(name)
        assert ours.get_tensor_layout(name) == inferred.get_tensor_layout(name)


def test_execution_fills_the_last_batch(tmp_path: Path) -> None:
    export_model(padded_net(), tmp_path / "m.onnx", (3, 8, 8))
    x = np.random.default_rng(0).integers(0, 256, (5, 3, 8, 8))
    np.testing.assert_array_equal(
        execute(tmp_path / "m.onnx", x, batch=3), execute(tmp_path / "m.onnx", x, batch=1)
    )
