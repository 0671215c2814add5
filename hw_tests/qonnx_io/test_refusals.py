"""What is refused is named as the user knows it, and the remedy says what to write instead."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
import torch
from brevitas.nn import QuantConv2d, QuantIdentity, QuantLinear
from brevitas.quant import SignedBinaryActPerTensorConst, SignedBinaryWeightPerTensorConst

from etb_hw.errors import UnsupportedNode
from etb_hw.qonnx_io import import_model
from etb_hw.qonnx_io.export import export_model


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        binary = {"weight_quant": SignedBinaryWeightPerTensorConst, "bias": False}
        self.eyes = QuantConv2d(1, 4, 3, **binary)
        self.sign = QuantIdentity(SignedBinaryActPerTensorConst)
        self.voice = QuantLinear(4 * 6 * 6, 3, **binary)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.voice(self.sign(self.eyes(x)).flatten(1))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("names") / "m.onnx"
    export_model(Net(), path, (1, 8, 8))
    return path


@pytest.mark.parametrize(
    ("op", "word"), [("Elu", "quantizer"), ("LSTM", "feed-forward"), ("Maxpool", "MaxPool")]
)
def test_a_refusal_says_what_to_write_instead(model: Path, tmp_path: Path, op: str, word: str) -> None:
    proto = onnx.load(model)
    node = next(n for n in proto.graph.node if n.op_type == "Conv")
    node.op_type, node.name = op, "eyes/strange"
    onnx.save(proto, str(tmp_path / "m.onnx"))
    with pytest.raises(UnsupportedNode) as caught:
        import_model(tmp_path / "m.onnx")
    assert "eyes/strange" in caught.value.where
    assert word in caught.value.remedy
    assert len(caught.value.remedy) < 120
