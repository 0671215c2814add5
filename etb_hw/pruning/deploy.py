"""The form in which a network leaves training: stock Brevitas binary layers with exact thresholds.

``deployable(hard)`` gives a plain torch module whose float logits equal ``hard(x)`` bit for bit and that
brevitas' ``export_qonnx`` turns into standard QONNX (BipolarQuant). What an exporter may rely on:

- Input: float32 pixels, whole numbers (N, C, H, W); attributes ``input_shape`` = (C, H, W)
  and ``input_dtype``, one of ``INPUT_DTYPES``.
- Layers in the order of ``spec.layers``, as children of ``layers`` (an ``nn.ModuleDict`` under their names),
  each an ``nn.Sequential`` with children named ``pad``, ``flatten``, ``core``, ``norm``, ``act``, ``pool`` or
  ``bias`` (those that exist), in that order: pad -> conv -> BatchNorm -> act -> pool.
- ``core`` is a QuantConv2d / QuantLinear without bias, weights -1/+1, weight quantizer scale 1.
- A conv that pads with 0 (pixels, unsigned few-bit values) does so through its own ``padding``; one that
  reads bipolar values is preceded by ``pad``, a ``torch.nn.ConstantPad2d`` with value -1.
- ``norm`` is a BatchNorm with eps 0, variance 1, weight 1, bias 0, mean t - 0.5: it computes x - (t - 0.5)
  for the integer threshold t with no rounding, and no sum ever hits zero.
- ``act`` is a QuantIdentity, binary, scale 1.
- Few-bit kinds (residual streams, uint2): ``norm`` has mean 0, variance 1, eps 0 and the canonical slope and
  shift as weight and bias (exact in float32, no ties); ``act`` is the stock quantizer of the kind, scale 1
  (exports as Quant). ``sign`` layers are ``norm``, ``act`` on a stream; ``add`` layers an ``Add`` of two
  streams; ``sumpool`` a ``SumPool`` (exports as ReduceSum with keepdims).
- The classifier ends in ``bias``: a ``Bias`` module adding one whole number a class (float32). Logits are
  integers.
"""

from __future__ import annotations

import torch
from brevitas.inject import ExtendedInjector
from brevitas.inject.enum import ScalingImplType
from brevitas.nn import QuantConv2d, QuantIdentity, QuantLinear
from brevitas.quant import Int8ActPerTensorFixedPoint, Uint8ActPerTensorFixedPoint
from brevitas.quant.binary import SignedBinaryActPerTensorConst, SignedBinaryWeightPerTensorConst
from torch import Tensor, nn

from etb_hw.errors import BadInput
from etb_hw.models import NetSpec
from etb_hw.models.blocks import Add, SumPool
from etb_hw.models.net import evaluated
from etb_hw.pruning.hard import HardLayer, HardNet
from etb_hw.quantizers import BIPOLAR, ActivationKind


class BinaryWeight(SignedBinaryWeightPerTensorConst):
    """Stock binary weights with scale 1."""

    scaling_const = 1.0


class BinaryAct(SignedBinaryActPerTensorConst):
    """Stock binary activations with scale 1."""

    scaling_const = 1.0


class Bias(nn.Module):
    """Adds one whole number a class to (N, classes)."""

    values: Tensor

    def __init__(self, values: Tensor) -> None:
        super().__init__()
        self.register_buffer("values", values.clone())

    def forward(self, x: Tensor) -> Tensor:
        return x + self.values


def deployed_act(kind: ActivationKind) -> type[ExtendedInjector]:
    """The stock Brevitas quantizer, scale 1, that takes the values of a kind."""
    if kind == BIPOLAR:
        return BinaryAct
    stock = Int8ActPerTensorFixedPoint if kind.signed else Uint8ActPerTensorFixedPoint
    full_scale = 2.0 ** (kind.bits - kind.signed)
    made: type[ExtendedInjector] = stock.let(
        bit_width=kind.bits, scaling_impl_type=ScalingImplType.CONST, scaling_init=full_scale
    )
    return made


class DeployedNet(nn.Module):
    """Layers evaluated in the order of the specification."""

    def __init__(self, spec: NetSpec, layers: dict[str, nn.Module]) -> None:
        super().__init__()
        self.spec = spec
        self.input_shape = spec.input_shape
        self.input_dtype = spec.input_dtype
        self.layers = nn.ModuleDict(layers)

    def forward(self, x: Tensor) -> Tensor:
        return evaluated(self.spec, self.layers, x)


def deployable(hard: HardNet) -> DeployedNet:
    """A module of stock Brevitas layers equal to ``hard``, in evaluation mode.

    Raises BadInput if ``hard`` still contains removed filters: slim it first.
    """
    layers: dict[str, nn.Module] = {}
    for spec in hard.spec.layers:
        layer = hard.layer(spec.name)
        if not bool((layer.alive == 1).all() and (layer.input_alive == 1).all()):
            raise BadInput(
                f"layer {spec.name}", "still contains removed filters", "slim the network before export"
            )
        match spec.op:
            case "add":
                layers[spec.name] = Add()
            case "sumpool":
                layers[spec.name] = SumPool()
            case _:
                layers[spec.name] = _sequence(layer)
    return DeployedNet(hard.spec, layers).eval()


def _sequence(layer: HardLayer) -> nn.Sequential:
    spec = layer.spec
    parts = nn.Sequential()
    core: nn.Module
    if spec.op == "conv":
        if spec.padding and layer.pad_value:
            parts.add_module("pad", nn.ConstantPad2d(spec.padding, float(layer.pad_value)))
        outputs, inputs = layer.weight.shape[:2]
        core = QuantConv2d(
            inputs,
            outputs,
            spec.kernel,
            stride=spec.stride,
            padding=0 if layer.pad_value else spec.padding,
            bias=False,
            weight_quant=BinaryWeight,
        )
    elif spec.op != "sign":
        parts.add_module("flatten", nn.Flatten())
        core = QuantLinear(
            layer.weight.shape[1], layer.weight.shape[0], bias=False, weight_quant=BinaryWeight
        )
    if spec.weighted:
        with torch.no_grad():
            assert isinstance(core.weight, nn.Parameter)
            core.weight.copy_(layer.weight)
        parts.add_module("core", core)
    if spec.op == "classifier":
        parts.add_module("bias", Bias(layer.bias))
        return parts
    if spec.kind == BIPOLAR:
        parts.add_module("norm", exact_norm(layer.thresholds[:, 0], two_d=spec.op != "dense"))
    else:
        parts.add_module("norm", affine_norm(layer.slope, layer.shift, two_d=spec.op != "dense"))
    parts.add_module("act", QuantIdentity(act_quant=deployed_act(spec.kind)))
    if spec.pool > 1:
        parts.add_module("pool", nn.MaxPool2d(spec.pool))
    return parts


def exact_norm(thresholds: Tensor, two_d: bool) -> nn.BatchNorm2d | nn.BatchNorm1d:
    """A BatchNorm that computes x - (t - 0.5) exactly, for integer thresholds (C,)."""
    kind = nn.BatchNorm2d if two_d else nn.BatchNorm1d
    norm = kind(thresholds.numel(), eps=0.0)
    assert norm.running_mean is not None
    norm.running_mean.copy_(thresholds - 0.5)
    return norm


@torch.no_grad()
def affine_norm(slope: Tensor, shift: Tensor, two_d: bool) -> nn.BatchNorm2d | nn.BatchNorm1d:
    """A BatchNorm that computes x * slope + shift, exactly for the canonical maps of few-bit kinds."""
    kind = nn.BatchNorm2d if two_d else nn.BatchNorm1d
    norm = kind(slope.numel(), eps=0.0)
    norm.weight.copy_(slope)
    norm.bias.copy_(shift)
    return norm
