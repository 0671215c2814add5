"""Layers with evolving weights or outputs.

The topologies are made of them, and ``prepare`` puts them in place of a user's layers. They are plain torch
modules around the quantizers of ``etb_hw.quantizers``, so that copying, loading, compiling and cutting them
works as for any layer; ``slim`` turns them into stock Brevitas layers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

from etb_hw.models.border import with_border
from etb_hw.quantizers import ActivationKind, ChannelQuant, EvolvingWeightQuant, evolving
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
        q: Tensor = self.quant(self.latent)
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

    def forward(self, input: Any) -> Tensor:  # torch's own name: networks call layers by it
        x = value_of(input)
        y = self.products(x if self.pad is None else self.pad(x), self.quantized())
        if self.integers and not self.training and y.device.type != "cpu":
            y = y.round()  # some GPU kernels leave integers by a little
        shift = self.integer_shift()
        if shift is not None:
            y = y + per_channel(shift, y, 1 - self.latent.ndim)
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


_Layer = TypeVar("_Layer", bound=Evolving)


def equipped(
    layer: _Layer,
    integers: bool,
    pad: ChannelPad | None = None,
    scale: float = 1.0,
    shift: nn.Parameter | None = None,
) -> _Layer:
    """The layer with the attributes that make it evolve; see ``Evolving``."""
    layer.quant = EvolvingWeightQuant(len(layer.latent)).to(layer.latent.device)
    layer.scale, layer.integers, layer.pad, layer.shift = scale, integers, pad, shift
    return layer


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
        self.quant = evolving(kind, channels)

    def forward(self, input: Any) -> Tensor:
        y: Tensor = self.quant(value_of(input))
        return y


class ChannelPad(nn.Module):
    """Pads with one value, and dead channels with 0.

    Attributes:
        pads: as for torch.nn.functional.pad. alive: (C,) in [0, 1].
        uniform: whether all are alive; a mirror, reading a device scalar each step is slow.
    """

    alive: Tensor

    def __init__(self, channels: int, pads: tuple[int, ...], value: float) -> None:
        super().__init__()
        self.pads, self.value, self.uniform = pads, value, True
        self.register_buffer("alive", torch.ones(channels))

    def read_mirrors(self) -> None:
        """Follow the buffer after a change."""
        self.uniform = bool((self.alive == 1).all())

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self.read_mirrors()

    def forward(self, input: Tensor) -> Tensor:
        # a compiled step tells channels apart always, and does not look, so that it is one graph
        uniform = not torch.compiler.is_compiling() and self.uniform
        return with_border(input, self.pads, self.value, None if uniform else self.alive)


def value_of(x: Any) -> Tensor:
    """The tensor, of a Brevitas QuantTensor its values."""
    return x if isinstance(x, Tensor) else cast(Tensor, x.value)


def quantizers(model: nn.Module) -> Iterator[EvolvingWeightQuant | ChannelQuant]:
    """The quantizers of all evolving layers and activations of a network."""
    return (module.quant for module in model.modules() if isinstance(module, Evolving | EvolvingAct))


def set_hard(model: nn.Module) -> None:
    """Make all weights and activations of a network binary for good."""
    for quantizer in quantizers(model):
        quantizer.set_hard()
