"""Random networks as users write them, with no thought of what is supported: most build, some are refused.

What they have in common is the style of published BNNs: convolutions over images or signals, BatchNorm, signs
or few bits with scales of any size, zero padding, shortcuts of whatever scales, joined channels, pools, and
logits or a feature map at the end.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import torch
from brevitas.nn import QuantConv1d, QuantConv2d, QuantIdentity, QuantLinear, QuantReLU
from brevitas.quant.binary import SignedBinaryActPerTensorConst, SignedBinaryWeightPerTensorConst
from brevitas.quant.fixed_point import Int8WeightPerTensorFixedPoint
from brevitas.quant.scaled_int import Int8ActPerTensorFloat, Int8WeightPerTensorFloat, Uint8ActPerTensorFloat
from torch import nn


@dataclass(frozen=True)
class FieldNet:
    """A network in eval mode and the shape of its input, 8-bit pixels or samples."""

    module: nn.Module
    shape: tuple[int, ...]
    described: str


class Shortcut(nn.Module):
    """``x + body(x)``, each with the scale that it has."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.body(x)


class Joined(nn.Module):
    """``x`` beside ``body(x)``."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, self.body(x)], 1)


def field_network(seed: int) -> FieldNet:
    """The network of a seed."""
    draw = random.Random(seed)
    torch.manual_seed(seed)
    return _Drawing(draw).network(bare=random.Random(f"bare {seed}"))


class _Drawing:
    def __init__(self, draw: random.Random) -> None:
        self.draw = draw
        self.words: list[str] = []

    def network(self, bare: random.Random) -> FieldNet:
        draw = self.draw
        self.signal = draw.random() < 0.25
        self.words += ["signal"] * self.signal
        size = (draw.randint(16, 32),) if self.signal else (draw.randint(7, 12),) * 2
        shape = (draw.choice((1, 3)), *size)
        layers: list[nn.Module] = []
        channels, extent = shape[0], size[0]
        for i in range(draw.randint(1, 3)):
            stride, pad = draw.choice((1, 1, 2)), draw.choice((0, 1, 1))
            width = draw.choice((4, 6, 8))
            layers.append(self.conv(channels, width, 3, stride, pad))
            channels, extent = width, (extent + 2 * pad - 3) // stride + 1
            if bare.random() < 0.25:  # sums meet a quantizer as they are: on its steps, float32 rounds
                self.words.append("bare")
            else:
                layers.append(self.norm(channels))
            layers.append(self.activation())
            if i and draw.random() < 0.5:
                added = self.branch(channels)
                channels *= 2 if isinstance(added[0], Joined) else 1
                layers += added
            if extent >= 6 and draw.random() < 0.5:
                layers.append(self.pool())
                extent //= 2
            if extent < 4:
                break
        layers += self.ending(channels, extent)
        module = nn.Sequential(*layers)
        with torch.no_grad():  # statistics as training leaves them
            module.train()
            for _ in range(3):
                module(torch.randint(0, 256, (32, *shape)).float())
        return FieldNet(module.eval(), shape, " ".join(self.words))

    def conv(self, inputs: int, outputs: int, kernel: int, stride: int, pad: int) -> nn.Module:
        kind = QuantConv1d if self.signal else QuantConv2d
        self.words.append(f"conv{kernel}" + "p" * pad + "s" * (stride - 1))
        more = {"stride": stride, "padding": pad, "bias": self.draw.random() < 0.2}
        return kind(inputs, outputs, kernel, **more, **self.weights())  # type: ignore[no-any-return]

    def weights(self) -> dict[str, object]:
        form = self.draw.randint(0, 3)
        if form <= 1:
            self.words.append("w1")
            scale = self.draw.choice((1.0, 0.1, 0.25))
            return {"weight_quant": SignedBinaryWeightPerTensorConst, "weight_scaling_const": scale}
        bits = self.draw.randint(2, 4)
        self.words.append(f"w{bits}")
        quant = Int8WeightPerTensorFixedPoint if form == 2 else Int8WeightPerTensorFloat
        return {"weight_quant": quant, "weight_bit_width": bits}

    def activation(self) -> nn.Module:
        form, bits = self.draw.randint(0, 4), self.draw.randint(2, 4)
        if form <= 2:
            self.words.append("sign")
            scale = self.draw.choice((1.0, 1.0, 0.1))
            return QuantIdentity(act_quant=SignedBinaryActPerTensorConst, scaling_const=scale)
        self.words.append(f"a{bits}")
        if form == 3:
            return QuantReLU(act_quant=Uint8ActPerTensorFloat, bit_width=bits)
        return QuantIdentity(act_quant=Int8ActPerTensorFloat, bit_width=bits)

    def branch(self, channels: int) -> list[nn.Module]:
        body: list[nn.Module] = [self.conv(channels, channels, 3, 1, 1), self.norm(channels)]
        if self.draw.random() < 0.6:
            body.append(self.activation())
        form = self.draw.choice((Shortcut, Shortcut, Joined))
        self.words.append(form.__name__.lower())
        after: list[nn.Module] = [form(nn.Sequential(*body))]
        if form is Shortcut or self.draw.random() < 0.5:
            after.append(self.activation())
        return after

    def pool(self) -> nn.Module:
        if self.draw.random() < 0.8:
            return nn.MaxPool1d(2) if self.signal else nn.MaxPool2d(2)
        self.words.append("average")
        return nn.AvgPool1d(2) if self.signal else nn.AvgPool2d(2)

    def norm(self, channels: int) -> nn.Module:
        norm = (nn.BatchNorm1d if self.signal else nn.BatchNorm2d)(channels)
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.normal_(norm.bias, 0, 0.5)
        return norm

    def ending(self, channels: int, extent: int) -> list[nn.Module]:
        form = self.draw.randint(0, 3)
        if form == 0:
            self.words.append("map")
            return [self.conv(channels, 3, 1, 1, 0)]
        if form == 1:
            self.words.append("mean")
            pool = nn.AdaptiveAvgPool1d(1) if self.signal else nn.AdaptiveAvgPool2d(1)
            return [pool, nn.Flatten(), self.linear(channels)]
        return [nn.Flatten(), self.linear(channels * extent if self.signal else channels * extent**2)]

    def linear(self, inputs: int) -> nn.Module:
        return QuantLinear(inputs, 5, bias=self.draw.random() < 0.3, **self.weights())
