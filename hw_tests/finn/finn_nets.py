"""Stock Brevitas networks in the form that this package deploys: exact thresholds, integer logits."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from brevitas.nn import QuantConv2d, QuantIdentity, QuantLinear
from brevitas.quant.binary import SignedBinaryActPerTensorConst, SignedBinaryWeightPerTensorConst
from torch import nn

from etb_hw.pruning.deploy import Bias


class Weight(SignedBinaryWeightPerTensorConst):
    scaling_const = 1.0


class Act(SignedBinaryActPerTensorConst):
    scaling_const = 1.0


def _threshold(channels: int, spread: float, two_d: bool) -> nn.Module:
    norm = (nn.BatchNorm2d if two_d else nn.BatchNorm1d)(channels, eps=0.0)
    norm.running_mean.copy_(torch.randint(-int(spread), int(spread) + 1, (channels,)) - 0.5)
    return norm


def sign_conv(inputs: int, outputs: int, spread: float) -> nn.Sequential:
    """A 3x3 convolution without border, thresholds within ``spread`` of 0, and signs."""
    conv = QuantConv2d(inputs, outputs, 3, bias=False, weight_quant=Weight)
    return nn.Sequential(conv, _threshold(outputs, spread, True), QuantIdentity(act_quant=Act))


def conv_net(
    shape: tuple[int, int, int],
    widths: Sequence[tuple[int, bool]],
    hidden: Sequence[int] = (),
    classes: int = 10,
    padding: int = 1,
    bias: bool = False,
) -> nn.Module:
    """3x3 convs of ``widths`` (channels, pooled), dense layers ``hidden``, a classifier. Padding is -1."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    channels, height, width = shape
    for i, (count, pooled) in enumerate(widths):
        if i and padding:
            layers.append(nn.ConstantPad2d(padding, -1.0))
        own = padding if i == 0 else 0
        layers.append(QuantConv2d(channels, count, 3, padding=own, bias=False, weight_quant=Weight))
        layers.append(_threshold(count, 300 if i == 0 else channels**0.5, True))
        layers.append(QuantIdentity(act_quant=Act))
        height, width = height + 2 * padding - 2, width + 2 * padding - 2
        channels = count
        if pooled:
            layers.append(nn.MaxPool2d(2))
            height, width = height // 2, width // 2
    layers.append(nn.Flatten())
    layers += _dense(channels * height * width, hidden, classes)
    if bias:
        layers.append(Bias(torch.randint(-40, 40, (classes,)).float()))
    return nn.Sequential(*layers).eval()


def mlp(inputs: int, hidden: Sequence[int], classes: int = 10) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(*_dense(inputs, hidden, classes)).eval()


def _dense(inputs: int, hidden: Sequence[int], classes: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for count in hidden:
        layers.append(QuantLinear(inputs, count, bias=False, weight_quant=Weight))
        layers.append(_threshold(count, inputs**0.5, False))
        layers.append(QuantIdentity(act_quant=Act))
        inputs = count
    layers.append(QuantLinear(inputs, classes, bias=False, weight_quant=Weight))
    return layers
