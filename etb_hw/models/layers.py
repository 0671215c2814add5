"""The small set of trainable layers all networks are made of, built on Brevitas."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from brevitas.nn import QuantConv2d, QuantIdentity, QuantLinear
from torch import Tensor, nn

from etb_hw.models.border import told_apart, with_border
from etb_hw.models.norm import ChannelNorm
from etb_hw.models.spec import Geometry, LayerSpec
from etb_hw.quantizers import (
    BIPOLAR,
    ActivationKind,
    ChannelQuant,
    EvolvingWeight,
    EvolvingWeightQuant,
    evolving,
)


class Layer(nn.Module):
    """Base of all layers: what evolution and slimming may ask of any of them."""

    def weight_quant(self) -> EvolvingWeightQuant | None:
        """The quantizer of the layer's weights, if it has any."""
        return None

    def act_quant(self) -> ChannelQuant | None:
        """The quantizer of the layer's output, if it has one."""
        return None

    def latent(self) -> Tensor | None:
        """The weights (O, ...) behind the quantizer, if it has any."""
        return None

    def set_input_alive(self, alive: Tensor) -> None:
        """Tell which input channels (C,) are alive: borders are padded with -alive."""

    def read_mirrors(self) -> None:
        """Read values that are mirrored outside of buffers anew, after loading a state."""
        for quantizer in (self.weight_quant(), self.act_quant()):
            if quantizer is not None:
                quantizer.read_mirrors()

    def set_hard(self) -> None:
        """Weights and activations become binary for good."""
        for quantizer in (self.weight_quant(), self.act_quant()):
            if quantizer is not None:
                quantizer.set_hard()

    def project(self) -> None:
        """Return parameters to their legal range after an optimizer step."""


class Weighted(Layer):
    """A layer with binary weights: ``sums`` gives integers, before any normalisation."""

    core: QuantConv2d | QuantLinear

    def weight_quant(self) -> EvolvingWeightQuant:
        quantizer = self.core.weight_quant.tensor_quant
        assert isinstance(quantizer, EvolvingWeightQuant)
        return quantizer

    def latent(self) -> Tensor:
        latent: Tensor = self.core.weight
        return latent

    def sums(self, x: Tensor) -> Tensor:
        """Exact integer sums of the quantized weights with x."""
        y = self.core(x)
        assert isinstance(y, Tensor)
        # the float paths of some GPUs (Winograd) leave integers by a little; the true sums are integers
        return y if self.training or y.device.type == "cpu" else y.round()

    def quantized(self) -> Tensor:
        """The quantized weights, (O, ...)."""
        quantized: Tensor = self.weight_quant()(self.core.weight)[0]
        return quantized

    @torch.no_grad()
    def project(self) -> None:
        quantizer = self.weight_quant()
        if not quantizer.is_hard:
            quantizer.threshold.clamp_(0, 1)


class BinaryConv(Weighted):
    """pad -> conv -> max-pool -> normalise -> quantize.

    Pooling comes before the increasing normalisation because that is cheaper and, bit for bit, the same as
    pooling the signs.
    """

    input_alive: Tensor

    def __init__(self, spec: LayerSpec, geometry: Geometry, pad_value: int) -> None:
        super().__init__()
        self.padding, self.pool, self.pad_value = spec.padding, spec.pool, pad_value
        self.core = QuantConv2d(
            geometry.inputs,
            geometry.outputs,
            spec.kernel,
            stride=spec.stride,
            bias=False,
            weight_quant=EvolvingWeight.let(channels=geometry.outputs),
        )
        nn.init.normal_(self.core.weight)
        self.core.weight_quant.skip_create_quant_tensor = True
        self.norm, self.act = norm_and_act(geometry.outputs, spec.kind)
        self.register_buffer("input_alive", torch.ones(geometry.inputs))
        self.uniform_border = True  # mirror of input_alive

    def act_quant(self) -> ChannelQuant:
        return act_quantizer(self.act)

    def set_input_alive(self, alive: Tensor) -> None:
        self.input_alive.copy_(alive)
        self.uniform_border = bool(self.input_alive.min().item() == 1)

    def read_mirrors(self) -> None:
        super().read_mirrors()
        self.uniform_border = bool(self.input_alive.min().item() == 1)

    def pad(self, x: Tensor) -> Tensor:
        """Borders: 0 around pixels, else what the input's kind says (-1 if bipolar), 0 around dead ones."""
        if not self.padding:
            return x
        alive = told_apart(self.uniform_border, self.input_alive)
        return with_border(x, (self.padding,) * 4, float(self.pad_value), alive)

    def forward(self, x: Tensor) -> Tensor:
        y = self.sums(self.pad(x))
        if self.pool > 1:
            y = F.max_pool2d(y, self.pool)
        return quantize(self.act, self.norm(y))

    def project(self) -> None:
        super().project()
        self.norm.project()
        clamp_thresholds(self.act_quant())


class BinaryDense(Weighted):
    """flatten -> matrix product -> normalise -> quantize; the output is (N, C, 1, 1)."""

    def __init__(self, geometry: Geometry, kind: ActivationKind = BIPOLAR) -> None:
        super().__init__()
        self.core = dense_core(geometry)
        self.norm, self.act = norm_and_act(geometry.outputs, kind)

    def act_quant(self) -> ChannelQuant:
        return act_quantizer(self.act)

    def forward(self, x: Tensor) -> Tensor:
        y = self.sums(x.flatten(1))
        return quantize(self.act, self.norm(y)).unsqueeze(-1).unsqueeze(-1)

    def project(self) -> None:
        super().project()
        self.norm.project()
        clamp_thresholds(self.act_quant())


class StreamSign(Layer):
    """normalise -> quantize: a residual stream becomes bipolar, or of another kind."""

    def __init__(self, channels: int, kind: ActivationKind = BIPOLAR) -> None:
        super().__init__()
        self.norm, self.act = norm_and_act(channels, kind)

    def act_quant(self) -> ChannelQuant:
        return act_quantizer(self.act)

    def forward(self, x: Tensor) -> Tensor:
        return quantize(self.act, self.norm(x))

    def project(self) -> None:
        self.norm.project()
        clamp_thresholds(self.act_quant())


class Add(Layer):
    """Sum of two residual streams, in integers."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return a + b


class SumPool(Layer):
    """Sum over all pixels: a global average pool without its division."""

    def forward(self, x: Tensor) -> Tensor:
        return x.sum((2, 3), keepdim=True)


class Classifier(Weighted):
    """flatten -> matrix product -> one integer bias a class; logits are a positive multiple of integers.

    Attributes:
        log_scale: log of the common factor of the logits; no arg-max depends on it, hardware leaves it out.
        unit: sqrt(fan-in) times the inputs' magnitude of the network as built; slimming keeps it, so that
            no logit changes.
        bias: (classes,) in these units; rounded to whole integers in the forward pass.
    """

    unit: Tensor

    def __init__(self, geometry: Geometry, magnitude: float = 1.0) -> None:
        super().__init__()
        self.core = dense_core(geometry)
        # signs that agree by chance sum to about sqrt(fan-in): the unit in which logits are of order one
        self.register_buffer("unit", torch.tensor(magnitude * math.sqrt(geometry.fan_in)))
        self.log_scale = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(geometry.outputs))

    def integer_bias(self) -> Tensor:
        """The bias in whole integers; gradients pass the rounding unchanged."""
        bias = self.bias * self.unit
        return bias + (bias.round() - bias).detach()

    def forward(self, x: Tensor) -> Tensor:
        logits = self.sums(x.flatten(1)) + self.integer_bias()
        return logits * (self.log_scale.exp() / self.unit)


def dense_core(geometry: Geometry) -> QuantLinear:
    """A Brevitas linear layer with our weight quantizer."""
    core = QuantLinear(
        geometry.fan_in,
        geometry.outputs,
        bias=False,
        weight_quant=EvolvingWeight.let(channels=geometry.outputs),
    )
    nn.init.normal_(core.weight)
    core.weight_quant.skip_create_quant_tensor = True
    return core


def norm_and_act(channels: int, kind: ActivationKind) -> tuple[ChannelNorm, QuantIdentity]:
    """A normalisation whose first slope suits the kind, and its quantizer."""
    norm = ChannelNorm(channels)
    nn.init.constant_(norm.weight, kind.magnitude)
    return norm, activation(channels, kind)


def activation(channels: int, kind: ActivationKind = BIPOLAR) -> QuantIdentity:
    """A Brevitas activation layer with our quantizer."""
    act = QuantIdentity(act_quant=evolving(kind, channels))
    act.act_quant.skip_create_quant_tensor = True
    return act


def act_quantizer(act: QuantIdentity) -> ChannelQuant:
    quantizer = act.act_quant.fused_activation_quant_proxy.tensor_quant
    assert isinstance(quantizer, ChannelQuant)
    return quantizer


def quantize(act: QuantIdentity, y: Tensor) -> Tensor:
    a = act(y)
    assert isinstance(a, Tensor)
    return a


@torch.no_grad()
def clamp_thresholds(quantizer: ChannelQuant) -> None:
    if not quantizer.is_hard:
        quantizer.threshold.clamp_(0, 1)
