"""Random networks of stock Brevitas layers, exported, with torch's own outputs beside them."""

from __future__ import annotations

import numpy as np
import torch
from brevitas.nn import QuantConv2d, QuantConvTranspose2d, QuantIdentity, QuantLinear, QuantReLU
from brevitas.quant.binary import SignedBinaryActPerTensorConst, SignedBinaryWeightPerTensorConst
from brevitas.quant.fixed_point import (
    Int8ActPerTensorFixedPointMinMaxInit,
    Int8WeightPerTensorFixedPoint,
    Uint8ActPerTensorFixedPointMaxInit,
)
from hypothesis import strategies as st
from torch import nn

from etb_hw.integer import DataType
from etb_hw.qonnx_io import ImportOptions
from etb_hw.qonnx_io.export import exported_model
from hw_tests.fuzz.net_generator import Net


class Residual(nn.Module):
    """``act(x + body(x))``."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.body(x)


@st.composite
def torch_networks(draw: st.DrawFn) -> Net:
    seed = draw(st.integers(0, 2**31 - 1), label="seed")
    torch.manual_seed(seed)
    shape = (draw(st.integers(1, 3)), draw(st.integers(6, 9)), draw(st.integers(6, 9)))
    layers: list[nn.Module] = []
    channels, height, width = shape
    bipolar = False
    for _ in range(draw(st.integers(1, 3))):
        outputs = draw(st.integers(1, 9))
        border = draw(st.integers(0, 1))
        if bipolar and not border and draw(st.booleans()):
            layers.append(nn.ConstantPad2d(1, -1.0))
            height, width = height + 2, width + 2
        if min(height, width) + 2 * border < 3:
            break
        layers.append(QuantConv2d(channels, outputs, 3, padding=border, bias=False, **_weights(draw)))
        channels, height, width = outputs, height - 2 + 2 * border, width - 2 + 2 * border
        layers.append(_norm(nn.BatchNorm2d(channels)))
        act, bipolar = _activation(draw)
        layers.append(act)
        if draw(st.booleans()):
            inner = QuantConv2d(channels, channels, 1, bias=False, **_weights(draw))
            layers.append(Residual(nn.Sequential(inner, _norm(nn.BatchNorm2d(channels)), _unit_act())))
            act, bipolar = _activation(draw)
            layers.append(act)
        if min(height, width) >= 2 and draw(st.booleans()):
            layers.append(nn.MaxPool2d(2))
            height, width = height // 2, width // 2
        if height * width <= 25 and draw(st.booleans()):
            layers.append(_doubled(draw, channels))
            bipolar = bipolar and isinstance(layers[-1], nn.Upsample)  # the others give sums
            height, width = 2 * height, 2 * width
    layers += [nn.Flatten(), QuantLinear(channels * height * width, 5, bias=False, **_weights(draw))]
    module = nn.Sequential(*layers).eval()
    samples = np.random.default_rng(seed).integers(0, 256, (4, *shape))
    samples[0], samples[1] = 0, 255
    with torch.no_grad():
        golden = module(torch.from_numpy(samples).float()).numpy()
    return Net(exported_model(module, shape, DataType.unsigned(8)), ImportOptions(), samples, golden)


def _doubled(draw: st.DrawFn, channels: int) -> nn.Module:
    """Twice as many pixels down and across, of the same channels."""
    match draw(st.integers(0, 3)):
        case 0:
            return nn.Upsample(scale_factor=2)
        case 1:
            return QuantConvTranspose2d(channels, channels, 2, stride=2, bias=False, **_weights(draw))
        case 2:
            return QuantConvTranspose2d(
                channels, channels, 4, stride=2, padding=1, bias=False, **_weights(draw)
            )
    return nn.Sequential(
        QuantConv2d(channels, 4 * channels, 1, bias=False, **_weights(draw)), nn.PixelShuffle(2)
    )


def _weights(draw: st.DrawFn) -> dict[str, object]:
    if draw(st.booleans()):
        scale = draw(st.sampled_from([1.0, 0.25]))
        return {"weight_quant": SignedBinaryWeightPerTensorConst, "weight_scaling_const": scale}
    return {"weight_quant": Int8WeightPerTensorFixedPoint, "weight_bit_width": draw(st.integers(2, 4))}


def _activation(draw: st.DrawFn) -> tuple[nn.Module, bool]:
    form = draw(st.integers(0, 2))
    bits = draw(st.integers(2, 4))
    if form == 0:
        return QuantIdentity(act_quant=SignedBinaryActPerTensorConst, scaling_const=1.0), True
    if form == 1:
        return QuantReLU(act_quant=Uint8ActPerTensorFixedPointMaxInit, max_val=4.0, bit_width=bits), False
    quant = Int8ActPerTensorFixedPointMinMaxInit
    return QuantIdentity(act_quant=quant, min_val=-4.0, max_val=3.5, bit_width=bits), False


def _unit_act() -> nn.Module:
    """A quantizer for the inner branch whose scale is a power of two, like all the others."""
    return QuantIdentity(act_quant=SignedBinaryActPerTensorConst, scaling_const=1.0)


def _norm(norm: nn.Module) -> nn.Module:
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.running_mean.normal_(0, 5)
    norm.running_var.uniform_(0.1, 60)
    norm.weight.data.normal_()
    norm.bias.data.normal_()
    return norm
