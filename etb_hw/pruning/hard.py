"""The hardened network: binary weights and integer thresholds, nothing else."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from etb_hw.errors import BadInput
from etb_hw.models import INPUT, BinaryNet, NetSpec
from etb_hw.models.layers import BinaryConv, BinaryDense, Classifier
from etb_hw.models.norm import ChannelNorm, pad_channels
from etb_hw.models.spec import LayerSpec
from etb_hw.pruning.sizes import sum_bound


class HardLayer(nn.Module):
    """A weighted layer in integers.

    Attributes:
        weight: (O, ...) of -1 and +1 (0 in removed filters), float32.
        thresholds: (O, 1); output is +1 where the sum is >= it. Empty for the classifier.
        bias: (O,) integers added to the classifier's sums. Empty for others.
        alive: (O,) 0 for removed channels. input_alive: the same of the input.
    """

    weight: Tensor
    thresholds: Tensor
    bias: Tensor
    alive: Tensor
    input_alive: Tensor

    def __init__(self, spec: LayerSpec, pixels: bool, tensors: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.spec, self.pixels = spec, pixels
        for name in ("weight", "thresholds", "bias", "alive", "input_alive"):
            self.register_buffer(name, tensors[name].to(torch.float32))

    def sums(self, x: Tensor) -> Tensor:
        """Integer sums in float32 (exact: all stay far below 2**24)."""
        if self.spec.op != "conv":
            return F.linear(x.flatten(1), self.weight).round()
        if self.spec.padding:
            x = pad_channels(x, self.spec.padding, 0.0 if self.pixels else -self.input_alive)
        return F.conv2d(x, self.weight, stride=self.spec.stride).round()

    def forward(self, x: Tensor) -> Tensor:
        y = self.sums(x)
        if self.spec.op == "classifier":
            return y + self.bias
        view = (1, -1, 1, 1)[: y.ndim]
        a = torch.where(y >= self.thresholds[:, 0].view(view), 1.0, -1.0) * self.alive.view(view)
        if self.spec.pool > 1:
            a = F.max_pool2d(a, self.spec.pool)
        return a if a.ndim == 4 else a.unsqueeze(-1).unsqueeze(-1)


class HardNet(nn.Module):
    """Evaluates a hardened network. Input: pixels (N, C, H, W); output: integer logits, float32."""

    def __init__(self, spec: NetSpec, tensors: Mapping[str, Mapping[str, Tensor]]) -> None:
        super().__init__()
        self.spec = spec
        self.layers = nn.ModuleDict(
            {
                layer.name: HardLayer(layer, spec.is_pixels(layer.inputs[0]), tensors[layer.name])
                for layer in spec.layers
            }
        )

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        tensors = {INPUT: x.to(torch.float32)}
        for layer in self.spec.layers:
            tensors[layer.name] = self.layers[layer.name](*(tensors[name] for name in layer.inputs))
        return tensors[self.spec.layers[-1].name]

    def layer(self, name: str) -> HardLayer:
        layer = self.layers[name]
        assert isinstance(layer, HardLayer)
        return layer

    def widened(self, dense: NetSpec, keep: Mapping[str, Tensor]) -> HardNet:
        """The inverse of slimming: this network within the widths of ``dense``, all other filters zero.

        Args:
            keep: the channels of ``dense``, sorted, that this network's are; groups not named are whole.
        """
        kept = {
            group: keep.get(group, torch.arange(count)).to(torch.int64)
            for group, count in dense.widths.items()
        }
        tensors = {}
        for spec in dense.layers:
            layer = self.layer(spec.name)
            outputs, inputs = kept[spec.group], kept[dense.group_of(spec.inputs[0])]
            tensors[spec.name] = _widened(layer, dense, spec, outputs, inputs)
        return HardNet(dense, tensors)


@torch.no_grad()
def harden(net: BinaryNet) -> HardNet:
    """Weights become their signs, every normalisation and quantizer one integer threshold a channel.

    Thresholds are read off by evaluating the float32 normalisation itself, so they hold all its rounding.
    Raises BadInput for a network that is still ternary or that holds NaN.
    """
    tensors: dict[str, dict[str, Tensor]] = {}
    for spec in net.spec.layers:
        layer = net.layer(spec.name)
        assert isinstance(layer, (BinaryConv, BinaryDense, Classifier))
        quantizer = layer.weight_quant()
        if not quantizer.is_hard and not bool(quantizer.hard.item()):
            raise BadInput(f"layer {spec.name}", "is still ternary", "harden it first (BinaryNet.set_hard)")
        weight = layer.core.weight.detach()
        if not bool(torch.isfinite(weight).all()):
            raise BadInput(f"layer {spec.name}", "has NaN or infinite weights", "train with a lower rate")
        empty = torch.zeros(0)
        found = {"weight": layer.quantized(), "alive": quantizer.alive, "thresholds": empty, "bias": empty}
        found["input_alive"] = (
            layer.input_alive if isinstance(layer, BinaryConv) else torch.ones(net.spec.geometry(spec).inputs)
        )
        if isinstance(layer, Classifier):
            found["bias"] = layer.integer_bias().round()
        else:
            bound = sum_bound(net.spec, spec)
            found["thresholds"] = thresholds_by_evaluation(layer.norm, spec.name, bound).unsqueeze(1)
        tensors[spec.name] = {name: value.detach().cpu() for name, value in found.items()}
    return HardNet(net.spec, tensors)


def thresholds_by_evaluation(norm: ChannelNorm, where: str, bound: int) -> Tensor:
    """The smallest integer (C,) whose normalised value is >= 0, by bisection over [-bound, bound + 1].

    Exact, since each float32 step of the normalisation is monotone. -bound stands for a channel that is
    always +1, bound + 1 for one that is always -1.
    """
    slope, shift = (term.detach().cpu() for term in norm.affine_terms())
    if not bool(torch.isfinite(slope).all() and torch.isfinite(shift).all()):
        raise BadInput(
            f"layer {where}", "has NaN or infinite normalisation", "train with a lower learning rate"
        )
    assert bool((slope > 0).all())
    low = torch.full(slope.shape, -bound, dtype=torch.int64)
    high = torch.full(slope.shape, bound + 1, dtype=torch.int64)
    while bool((low < high).any()):
        middle = torch.div(low + high, 2, rounding_mode="floor")
        reached = middle.to(torch.float32) * slope + shift >= 0
        high = torch.where(reached & (low < high), middle, high)
        low = torch.where(~reached & (low < high), middle + 1, low)
    return low


def _widened(
    layer: HardLayer, dense: NetSpec, spec: LayerSpec, outputs: Tensor, inputs: Tensor
) -> dict[str, Tensor]:
    geometry = dense.geometry(spec)
    tail = layer.weight.shape[2:] if spec.op == "conv" else (geometry.in_pixels,)
    weight = torch.zeros(geometry.outputs, geometry.inputs, *tail)
    small = layer.weight.view(len(outputs), len(inputs), *tail).cpu()
    weight[outputs.unsqueeze(1), inputs.unsqueeze(0)] = small
    found = {"weight": weight if spec.op == "conv" else weight.flatten(1)}
    for kind in ("thresholds", "bias"):
        value = getattr(layer, kind).cpu()
        wide = torch.zeros(geometry.outputs if value.numel() else 0, *value.shape[1:])
        if value.numel():
            wide[outputs] = value
        found[kind] = wide
    found["alive"] = torch.zeros(geometry.outputs)
    found["alive"][outputs] = 1
    found["input_alive"] = torch.zeros(geometry.inputs)
    found["input_alive"][inputs] = 1
    return found
