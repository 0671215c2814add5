"""What ``prepare`` puts in place of a user's layers: the same layers with evolving weights or outputs.

They are plain torch modules around the quantizers of ``etb_hw.quantizers``, so that copying, loading,
compiling and cutting them works as for any layer; ``slim`` turns them into stock Brevitas layers.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

from etb_hw.models.border import told_apart, with_border
from etb_hw.models.norm import ChannelNorm
from etb_hw.quantizers import (
    BIPOLAR,
    ActivationKind,
    ChannelQuant,
    EvolvingActivationQuant,
    EvolvingLevelsQuant,
    EvolvingWeightQuant,
)
from etb_hw.quantizers.functions import per_channel


class Evolving(nn.Module):
    """Base of layers with evolving weights. Output: ``scale`` times the sums, plus ``shift``.

    Attributes:
        quant: the quantizer of the latent weights (O, ...).
        scale: a power of two; 1 where a normalisation follows.
        shift: (O,) bias in units of ``scale``, rounded to integers in the forward pass; None without one.
        integers: whether the inputs are integers, so that the sums are.
        pad: borders of another value than 0, None where the layer's own padding serves.
    """

    quant: EvolvingWeightQuant
    scale: float
    shift: nn.Parameter | None
    integers: bool
    pad: ChannelPad | None

    def products(self, x: Tensor, weight: Tensor) -> Tensor:
        """The layer's sums with these weights."""
        raise NotImplementedError

    def quantized(self) -> Tensor:
        """The weights as they count now: -1, 0 or +1."""
        q: Tensor = self.quant(self.latent)[0]
        return q

    @property
    def latent(self) -> Tensor:
        """The weights (O, ...) behind the quantizer."""
        return cast(Tensor, self.weight)

    def integer_shift(self) -> Tensor | None:
        """The bias in whole units of ``scale``; gradients pass the rounding unchanged."""
        if self.shift is None:
            return None
        return self.shift + (self.shift.round() - self.shift).detach()

    def forward(self, x: Any) -> Tensor:
        x = value_of(x)
        y = self.products(x if self.pad is None else self.pad(x), self.quantized())
        if self.integers and not self.training and y.device.type != "cpu":
            y = y.round()  # some GPU kernels leave integers by a little
        shift = self.integer_shift()
        if shift is not None:
            y = y + per_channel(shift, y, 1)
        return y if self.scale == 1 else y * self.scale


class EvolvingConv1d(Evolving, nn.Conv1d):
    def products(self, x: Tensor, weight: Tensor) -> Tensor:
        return cast(Tensor, self._conv_forward(x, weight, None))


class EvolvingConv2d(Evolving, nn.Conv2d):
    def products(self, x: Tensor, weight: Tensor) -> Tensor:
        return cast(Tensor, self._conv_forward(x, weight, None))


class EvolvingLinear(Evolving, nn.Linear):
    def products(self, x: Tensor, weight: Tensor) -> Tensor:
        return nn.functional.linear(x, weight)


KINDS_OF_LAYERS: dict[type[nn.Module], type[Evolving]] = {
    nn.Conv1d: EvolvingConv1d,
    nn.Conv2d: EvolvingConv2d,
    nn.Linear: EvolvingLinear,
}


class EvolvingAct(nn.Module):
    """An activation whose channels evolve: ternary to binary, or to zero."""

    def __init__(self, channels: int, kind: ActivationKind) -> None:
        super().__init__()
        self.kind = kind
        self.quant: ChannelQuant = (
            EvolvingActivationQuant(channels) if kind == BIPOLAR else EvolvingLevelsQuant(channels, kind)
        )

    def forward(self, x: Any) -> Tensor:
        y: Tensor = self.quant(value_of(x))[0]
        return y


class ChannelPad(nn.Module):
    """Pads with one value, and dead channels with 0.

    Attributes:
        pads: as for torch.nn.functional.pad. alive: (C,) in [0, 1].
        uniform: whether all are alive; a mirror, reading a device scalar each step is slow.
    """

    alive: Tensor
    uniform = True

    def __init__(self, channels: int, pads: tuple[int, ...], value: float) -> None:
        super().__init__()
        self.pads, self.value = pads, value
        self.register_buffer("alive", torch.ones(channels))

    def read_mirrors(self) -> None:
        """Follow the buffer after a change."""
        self.uniform = bool((self.alive == 1).all())

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self.read_mirrors()

    def forward(self, x: Tensor) -> Tensor:
        return with_border(x, self.pads, self.value, told_apart(self.uniform, self.alive))


def value_of(x: Any) -> Tensor:
    """The tensor, of a Brevitas QuantTensor its values."""
    return x if isinstance(x, Tensor) else cast(Tensor, x.value)


@torch.no_grad()
def evolving_layer(
    old: nn.Conv1d | nn.Conv2d | nn.Linear, scale: float, integers: bool, border: int = 0
) -> Evolving:
    """The evolving form of a layer, with its weights and bias, that pads with ``border``."""
    base = next(kind for kind in KINDS_OF_LAYERS if isinstance(old, kind))
    pad: ChannelPad | None = None
    like = {"device": old.weight.device, "dtype": old.weight.dtype}
    made: Any
    if isinstance(old, nn.Linear):
        made = EvolvingLinear(old.in_features, old.out_features, bias=False, **like)
    else:
        pads = tuple(old._reversed_padding_repeated_twice)
        own = bool(border and any(pads) and old.padding_mode == "zeros")
        made = KINDS_OF_LAYERS[base](
            old.in_channels, old.out_channels, old.kernel_size, old.stride, 0 if own else old.padding,
            old.dilation, old.groups, bias=False, padding_mode=old.padding_mode, **like,
        )  # fmt: skip
        pad = ChannelPad(old.in_channels, pads, float(border)).to(old.weight.device) if own else None
    made.weight.copy_(old.weight)
    made.weight.requires_grad_(old.weight.requires_grad)
    made.quant = EvolvingWeightQuant(len(old.weight)).to(old.weight.device)
    made.scale, made.integers, made.pad = scale, integers, pad
    made.shift = None if old.bias is None else nn.Parameter(old.bias.detach() / scale)
    made.train(old.training)
    return cast(Evolving, made)


@torch.no_grad()
def exact_norm(old: nn.Module) -> ChannelNorm:
    """The batch normalisation whose evaluation is the same two float32 operations everywhere."""
    assert isinstance(old, nn.BatchNorm1d | nn.BatchNorm2d)
    norm = ChannelNorm(old.num_features, old.eps, old.momentum)
    assert old.running_mean is not None
    norm.to(old.running_mean.device)
    norm.load_state_dict({**norm.state_dict(), **old.state_dict()})
    for name, value in norm.named_parameters():
        value.requires_grad_(old.affine and getattr(old, name).requires_grad)
    norm.train(old.training)
    return norm
