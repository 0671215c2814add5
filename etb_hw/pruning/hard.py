"""The hardened network: binary weights and integer thresholds, nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from etb_hw.errors import BadInput
from etb_hw.models import BinaryNet, NetSpec
from etb_hw.models.blocks import Classifier
from etb_hw.models.border import with_border
from etb_hw.models.layers import Evolving
from etb_hw.models.net import evaluated
from etb_hw.models.norm import ChannelNorm
from etb_hw.models.spec import LayerSpec
from etb_hw.pruning.sizes import sum_bound, value_bound
from etb_hw.quantizers import BIPOLAR, STREAM

KINDS = ("weight", "thresholds", "slope", "shift", "bias", "alive", "input_alive")
FLOAT_BITS = 24  # of a float32 significand


class HardLayer(nn.Module):
    """A layer in integers. Tensors that a layer does not need are empty.

    Attributes:
        weight: (O, ...) of -1 and +1 (0 in removed filters), float32.
        thresholds: (O, T) rising; the output is its lowest value plus one step for each t <= sum.
        slope, shift: (O,) of a stream's canonical map: round(sum * slope + shift) equals the thresholds.
        bias: (O,) integers added to the classifier's sums.
        alive: (O,) 0 for removed channels. input_alive: the same of the input.
    """

    weight: Tensor
    thresholds: Tensor
    slope: Tensor
    shift: Tensor
    bias: Tensor
    alive: Tensor
    input_alive: Tensor

    def __init__(self, spec: LayerSpec, pad_value: int, tensors: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.spec, self.pad_value = spec, pad_value
        for name in KINDS:
            self.register_buffer(name, tensors.get(name, torch.zeros(0)).to(torch.float32))

    def sums(self, x: Tensor) -> Tensor:
        """Integer sums in float32 (exact: all stay far below 2**24)."""
        if self.spec.op == "sign":
            return x
        if self.spec.op != "conv":
            return F.linear(x.flatten(1), self.weight).round()
        if self.spec.padding:
            x = with_border(x, (self.spec.padding,) * 4, float(self.pad_value), self.input_alive)
        return F.conv2d(x, self.weight, stride=self.spec.stride).round()

    def forward(self, *inputs: Tensor) -> Tensor:
        match self.spec.op:
            case "add":
                return inputs[0] + inputs[1]
            case "sumpool":
                return inputs[0].sum((2, 3), keepdim=True)
            case "classifier":
                return self.sums(inputs[0]) + self.bias
        y = self.sums(inputs[0])
        view = (1, -1, 1, 1)[: y.ndim]
        kind = self.spec.kind
        a = torch.full_like(y, kind.low)
        for column in self.thresholds.unbind(1):
            a += kind.step * (y >= column.view(view))
        a = a * self.alive.view(view)
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
                layer.name: HardLayer(layer, spec.pad_value(layer.inputs[0]), tensors[layer.name])
                for layer in spec.layers
            }
        )

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        return evaluated(self.spec, self.layers, x.to(torch.float32))

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
    """Weights become their signs, every normalisation and quantizer one integer threshold a channel and step.

    Thresholds are read off by evaluating the float32 normalisation itself, so they hold all its rounding. The
    normalisations in front of streams are first rounded to a form that float32 computes exactly and without
    ties (``canonical_map``).
    Raises BadInput for a network that is still ternary or that holds NaN.
    """
    tensors: dict[str, dict[str, Tensor]] = {}
    whole = net.spec
    for spec in whole.layers:
        block = net.layer(spec.name)
        found: dict[str, Tensor] = {"alive": torch.ones(whole.widths[spec.group])}
        if block.core is not None:
            found |= _hard_weights(whole, spec, block.core)
        if isinstance(block, Classifier):
            found["bias"] = block.logits.integer_bias().round()
        elif block.act is not None:
            assert block.norm is not None
            found |= _hard_thresholds(whole, spec, block.norm)
            found["alive"] = block.act.quant.alive
        tensors[spec.name] = {name: value.detach().cpu() for name, value in found.items()}
    return HardNet(whole, tensors)


def _hard_weights(net: NetSpec, spec: LayerSpec, core: Evolving) -> dict[str, Tensor]:
    if not bool(core.quant.hard.item()):
        raise BadInput(f"layer {spec.name}", "is still ternary", "harden it first (models.layers.set_hard)")
    if not bool(torch.isfinite(core.latent).all()):
        raise BadInput(f"layer {spec.name}", "has NaN or infinite weights", "train with a lower rate")
    border = torch.ones(net.geometry(spec).inputs) if core.pad is None else core.pad.alive
    return {"weight": core.quantized(), "input_alive": border}


def _hard_thresholds(net: NetSpec, spec: LayerSpec, norm: ChannelNorm) -> dict[str, Tensor]:
    bound = sum_bound(net, spec) if spec.weighted else value_bound(net, spec.inputs[0])
    kind = spec.kind
    if kind == BIPOLAR:
        return {"thresholds": thresholds_by_evaluation(norm, spec.name, bound).unsqueeze(1)}
    slope, shift = canonical_map(*_finite_terms(norm, spec.name), bound, kind.bits)

    def reaching(level: int) -> Tensor:
        return smallest_reaching(lambda x: (x * slope + shift).round() >= level, slope, bound)

    columns = [reaching(level) for level in range(kind.low + 1, kind.high + 1)]
    return {"thresholds": torch.stack(columns, 1), "slope": slope, "shift": shift}


def canonical_map(slope: Tensor, shift: Tensor, bound: int, bits: int = STREAM.bits) -> tuple[Tensor, Tensor]:
    """Slopes and shifts (C,) on a fixed-point grid, so that every executor agrees.

    With a slope that is a multiple of 2**-m (m >= 1) and a shift that is an odd multiple of 2**-(m+1),
    x * slope + shift never lies halfway between two integers, where rounding rules differ. The grid is the
    finest on which all results for integers |x| <= bound fit the significand of float32, so they are exact.
    """
    # beyond this shift a channel is constant anyway, so results stay below twice as much
    limit = 2.0**bits + bound * slope.double()
    finest = torch.exp2(torch.ceil(torch.log2(limit)) + 3 - FLOAT_BITS)
    grid = finest.clamp(max=0.5)  # 2**-m
    exact_slope = (slope.double() / grid).round().clamp(min=1) * grid
    exact_shift = torch.maximum(torch.minimum(shift.double(), limit), -limit)
    exact_shift = (torch.floor(exact_shift / grid) + 0.5) * grid
    return exact_slope.float(), exact_shift.float()


def smallest_reaching(reaches: Callable[[Tensor], Tensor], like: Tensor, bound: int) -> Tensor:
    """The smallest integers (C,) for which the monotone ``reaches`` is true, by bisection.

    -bound stands for a channel for which it is always true on [-bound, bound], bound + 1 for never. Exact,
    since each float32 step of a normalisation is monotone.
    """
    low = torch.full(like.shape, -bound, dtype=torch.int64)
    high = torch.full(like.shape, bound + 1, dtype=torch.int64)
    while bool((low < high).any()):
        middle = torch.div(low + high, 2, rounding_mode="floor")
        reached = reaches(middle.to(torch.float32))
        high = torch.where(reached & (low < high), middle, high)
        low = torch.where(~reached & (low < high), middle + 1, low)
    return low


def thresholds_by_evaluation(norm: ChannelNorm, where: str, bound: int) -> Tensor:
    """The smallest integer (C,) whose normalised value is >= 0 (see ``smallest_reaching``)."""
    slope, shift = _finite_terms(norm, where)
    return smallest_reaching(lambda x: x * slope + shift >= 0, slope, bound)


def _finite_terms(norm: ChannelNorm, where: str) -> tuple[Tensor, Tensor]:
    slope, shift = (term.detach().cpu() for term in norm.affine_terms())
    if not bool(torch.isfinite(slope).all() and torch.isfinite(shift).all()):
        raise BadInput(
            f"layer {where}", "has NaN or infinite normalisation", "train with a lower learning rate"
        )
    return slope, shift


def _widened(
    layer: HardLayer, dense: NetSpec, spec: LayerSpec, outputs: Tensor, inputs: Tensor
) -> dict[str, Tensor]:
    count = dense.widths[spec.group]
    found = {"alive": torch.zeros(count)}
    found["alive"][outputs] = 1
    if spec.weighted:
        geometry = dense.geometry(spec)
        tail = layer.weight.shape[2:] if spec.op == "conv" else (geometry.in_pixels,)
        weight = torch.zeros(geometry.outputs, geometry.inputs, *tail)
        small = layer.weight.view(len(outputs), len(inputs), *tail).cpu()
        weight[outputs.unsqueeze(1), inputs.unsqueeze(0)] = small
        found["weight"] = weight if spec.op == "conv" else weight.flatten(1)
        found["input_alive"] = torch.zeros(geometry.inputs)
        found["input_alive"][inputs] = 1
    for kind in ("thresholds", "slope", "shift", "bias"):
        value = getattr(layer, kind).cpu()
        if value.numel():
            found[kind] = torch.zeros(count, *value.shape[1:])
            found[kind][outputs] = value
    return found
