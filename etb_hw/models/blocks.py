"""The small set of blocks that the topologies are made of, out of evolving layers."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from etb_hw.models.layers import (
    ChannelPad,
    Evolving,
    EvolvingAct,
    EvolvingConv2d,
    EvolvingLinear,
    equipped,
)
from etb_hw.models.norm import ChannelNorm
from etb_hw.models.spec import Geometry, LayerSpec
from etb_hw.quantizers import BIPOLAR, ActivationKind


class Block(nn.Module):
    """Base of all blocks.

    Attributes:
        core: the layer with weights, if there is one. norm, act: what follows it, if anything does.
    """

    core: Evolving | None
    norm: ChannelNorm | None
    act: EvolvingAct | None

    def __init__(self) -> None:
        super().__init__()
        self.core, self.norm, self.act = None, None, None

    @property
    def width(self) -> int | None:
        """Channels of the output, as far as the block decides them."""
        if self.core is not None:
            return len(self.core.latent)
        return None if self.norm is None else self.norm.num_features


class BinaryConv(Block):
    """pad -> conv -> max-pool -> normalise -> quantize.

    Pooling comes before the increasing normalisation because that is cheaper and, bit for bit, the same as
    pooling the signs.
    """

    core: EvolvingConv2d
    norm: ChannelNorm
    act: EvolvingAct

    def __init__(self, spec: LayerSpec, geometry: Geometry, pad_value: int) -> None:
        super().__init__()
        self.pool = spec.pool
        core = EvolvingConv2d(geometry.inputs, geometry.outputs, spec.kernel, stride=spec.stride, bias=False)
        nn.init.normal_(core.weight)
        # 0 around pixels, else what the input's kind says (-1 if bipolar), 0 around dead channels
        pads = (spec.padding,) * 4
        pad = ChannelPad(geometry.inputs, pads, float(pad_value)) if spec.padding else None
        self.core = equipped(core, integers=True, pad=pad)
        self.norm, self.act = norm_and_act(geometry.outputs, spec.kind)

    def forward(self, x: Tensor) -> Tensor:
        y = self.core(x)
        if self.pool > 1:
            y = F.max_pool2d(y, self.pool)
        a: Tensor = self.act(self.norm(y))
        return a


class BinaryDense(Block):
    """flatten -> matrix product -> normalise -> quantize; the output is (N, C, 1, 1)."""

    core: EvolvingLinear
    norm: ChannelNorm
    act: EvolvingAct

    def __init__(self, geometry: Geometry, kind: ActivationKind = BIPOLAR) -> None:
        super().__init__()
        self.core = dense_core(geometry)
        self.norm, self.act = norm_and_act(geometry.outputs, kind)

    def forward(self, x: Tensor) -> Tensor:
        a: Tensor = self.act(self.norm(self.core(x.flatten(1))))
        return a.unsqueeze(-1).unsqueeze(-1)


class StreamSign(Block):
    """normalise -> quantize: a residual stream becomes bipolar, or of another kind."""

    norm: ChannelNorm
    act: EvolvingAct

    def __init__(self, channels: int, kind: ActivationKind = BIPOLAR) -> None:
        super().__init__()
        self.norm, self.act = norm_and_act(channels, kind)

    def forward(self, x: Tensor) -> Tensor:
        a: Tensor = self.act(self.norm(x))
        return a


class Add(Block):
    """Sum of two residual streams, in integers."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return a + b


class SumPool(Block):
    """Sum over all pixels: a global average pool without its division."""

    def forward(self, x: Tensor) -> Tensor:
        return x.sum((2, 3), keepdim=True)


class Classifier(Block):
    """flatten -> matrix product -> one integer bias a class; logits are a positive multiple of integers."""

    core: EvolvingLinear

    def __init__(self, geometry: Geometry, magnitude: float = 1.0) -> None:
        super().__init__()
        self.core = dense_core(geometry)
        # signs that agree by chance sum to about sqrt(fan-in): the unit in which logits are of order one
        self.logits = Logits(geometry.outputs, magnitude * math.sqrt(geometry.fan_in))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.logits(self.core(x.flatten(1)))
        return y


class Logits(nn.Module):
    """Adds an integer bias a class to sums (N, classes), and scales them.

    Attributes:
        log_scale: log of the common factor of the logits; no arg-max depends on it, hardware leaves it out.
        unit: sqrt(fan-in) times the inputs' magnitude of the network as built; slimming keeps it, so that
            no logit changes.
        bias: (classes,) in these units; rounded to whole integers in the forward pass.
    """

    unit: Tensor

    def __init__(self, classes: int, unit: float) -> None:
        super().__init__()
        self.register_buffer("unit", torch.tensor(unit))
        self.log_scale = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(classes))

    def integer_bias(self) -> Tensor:
        """The bias in whole integers; gradients pass the rounding unchanged."""
        bias = self.bias * self.unit
        return bias + (bias.round() - bias).detach()

    def forward(self, sums: Tensor) -> Tensor:
        return (sums + self.integer_bias()) * (self.log_scale.exp() / self.unit)


def dense_core(geometry: Geometry) -> EvolvingLinear:
    """A linear layer with evolving weights."""
    core = EvolvingLinear(geometry.fan_in, geometry.outputs, bias=False)
    nn.init.normal_(core.weight)
    return equipped(core, integers=True)


def norm_and_act(channels: int, kind: ActivationKind) -> tuple[ChannelNorm, EvolvingAct]:
    """A normalisation whose first slope suits the kind, and its quantizer."""
    norm = ChannelNorm(channels)
    nn.init.constant_(norm.weight, kind.magnitude)
    return norm, EvolvingAct(channels, kind)
