"""Signs as people write them: comparisons, and what chooses by them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from onnx import TensorProto
from torch import nn

from etb_hw.errors import UnsupportedNode
from etb_hw.integer import BIPOLAR, Conv, Dense
from etb_hw.qonnx_io import import_model
from hw_tests.fuzz.onnx_emitter import Emitter
from hw_tests.qonnx_io.test_forms_of_the_field import Ending, proved, rng, signs

COMPARED = ("Greater", "GreaterOrEqual", "Less", "LessOrEqual")
CHOSEN: dict[str, Ending] = {
    "where": lambda out, x: out.node("Where", x, out.const(1.0), out.const(-1.0)),
    "where, a channel": lambda out, x: out.node("Where", x, out.const(np.arange(1.0, 9.0)), out.const(-2.0)),
    "cast": lambda out, x: out.node("Cast", x, to=TensorProto.FLOAT),
    "cast to what it is": lambda out, x: out.node(
        "Cast", out.node("Cast", x, to=TensorProto.BOOL), to=TensorProto.FLOAT
    ),
    "not": lambda out, x: out.node("Cast", out.node("Not", x), to=TensorProto.FLOAT),
    "where not": lambda out, x: out.node("Where", out.node("Not", x), out.const(0.5), out.const(-0.5)),
}


@pytest.mark.parametrize("chosen", CHOSEN)
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("op", COMPARED)
def test_a_comparison_is_a_threshold(op: str, turned: bool, chosen: str, tmp_path: Path) -> None:
    """Constants that sums often meet; a channel has its own."""
    out = Emitter((12,), "INT3")
    sums = out.node("MatMul", "x", out.const(signs(12, 8)))
    constant = out.const(rng().integers(-3, 4, 8).astype(float) if turned else 1.0)
    y = CHOSEN[chosen](out, out.node(op, *((constant, sums) if turned else (sums, constant))))
    if chosen == "where, a channel":
        y = out.node("BipolarQuant", y, out.const(1.0))
    graph = proved(out.model(out.node("MatMul", y, out.const(signs(8, 3)))), tmp_path)
    last = [node for node in graph.nodes if isinstance(node, Dense)][-1]
    assert graph.types[last.inputs[0]].dtype == BIPOLAR


@pytest.mark.parametrize("opset", [13, 17])
def test_signs_of_torch(opset: int, tmp_path: Path) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Conv2d(3, 8, 3, bias=False), nn.Conv2d(8, 4, 3, padding=1)
            for conv in (self.first, self.last):
                conv.weight.data = torch.where(conv.weight >= 0, 1.0, -1.0)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.first(x)
            return self.last((y > 40).float() * 2 - 1) + self.last(torch.where(y < -3, 1.0, -1.0))

    path = tmp_path / "torch.onnx"
    torch.onnx.export(Net(), (torch.zeros(1, 3, 6, 6),), str(path), opset_version=opset, dynamo=False)
    import onnx

    model = onnx.load(str(path))
    entry = model.graph.quantization_annotation.add(tensor_name=model.graph.input[0].name)
    entry.quant_parameter_tensor_names.add(key="finn_datatype", value="UINT8")
    graph = proved(model, tmp_path)
    for node in graph.nodes:
        if isinstance(node, Conv) and node.name != "conv_0" and graph.types[node.inputs[0]].shape[0] == 8:
            assert graph.types[node.inputs[0]].dtype == BIPOLAR


REFUSED: dict[str, tuple[Ending, str]] = {
    "two tensors": (lambda out, x: out.node("Greater", x, x), "compares two tensors"),
    "no comparison": (
        lambda out, x: out.node(
            "Where", out.node("Not", out.node("Sign", x)), out.const(1.0), out.const(0.0)
        ),
        "no comparison",
    ),
    "tensors": (
        lambda out, x: out.node("Where", out.node("Greater", x, out.const(0.0)), x, out.const(0.0)),
        "chooses between tensors",
    ),
    "rounded": (
        lambda out, x: out.node(
            "Where", out.node("Less", x, out.const(0.0)), out.const(1e-9), out.const(1.0)
        ),
        "rounds",
    ),
    "equal": (lambda out, x: out.node("Equal", x, out.const(0.0)), "no exact integer form"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_others_are_refused(kind: str) -> None:
    body, said = REFUSED[kind]
    out = Emitter((12,), "INT3")
    y = body(out, out.node("MatMul", "x", out.const(signs(12, 8))))
    with pytest.raises(UnsupportedNode, match=said):
        import_model(out.model(y, shapes=False))


def test_constants_are_compared_as_they_are(tmp_path: Path) -> None:
    """Weights whose signs a file computes."""
    out = Emitter((12,), "INT3")
    latent = out.const(rng().normal(size=(12, 5)))
    truth = out.node("Not", out.node("Less", latent, out.const(0.0)))
    weights = out.node("Where", truth, out.const(1.0), out.const(-1.0))
    proved(out.model(out.node("MatMul", "x", weights)), tmp_path)
