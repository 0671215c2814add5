"""The trainable network of a specification."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from etb_hw.models.blocks import Add, BinaryConv, BinaryDense, Block, Classifier, StreamSign, SumPool
from etb_hw.models.spec import INPUT, LayerSpec, NetSpec


class BinaryNet(nn.Module):
    """Evaluates the blocks of a NetSpec in order: an ordinary module, that ``etb_hw.prepare`` takes.

    Input: uint8 pixels (N, C, H, W); output: float logits.

    Attributes:
        layers: the trainable blocks, by the names of the specification's layers.
    """

    def __init__(self, spec: NetSpec) -> None:
        super().__init__()
        self._built = spec
        self.layers = nn.ModuleDict({layer.name: _make(spec, layer) for layer in spec.layers})

    @property
    def spec(self) -> NetSpec:
        """The topology, and the widths that it has now."""
        widths = ((spec.group, self.layer(spec.name).width) for spec in self._built.layers)
        return self._built.with_widths({group: width for group, width in widths if width is not None})

    def forward(self, x: Tensor) -> Tensor:
        # channels last: convolutions and pools are up to 1.6 times faster on CPUs and GPUs
        pixels = x.float().contiguous(memory_format=torch.channels_last)
        return evaluated(self._built, self.layers, pixels)

    def layer(self, name: str) -> Block:
        """The block of a layer of the specification."""
        block = self.layers[name]
        assert isinstance(block, Block)
        return block

    def project(self) -> None:
        """Keep all normalisations increasing; call it after every optimizer step."""
        for name in self.layers:
            norm = self.layer(name).norm
            if norm is not None:
                norm.project()


def evaluated(spec: NetSpec, layers: nn.ModuleDict, x: Tensor) -> Tensor:
    """What the layers of a specification, in their order, make of an input (N, C, H, W)."""
    tensors = {INPUT: x}
    for layer in spec.layers:
        tensors[layer.name] = layers[layer.name](*(tensors[name] for name in layer.inputs))
    return tensors[spec.layers[-1].name]


def _make(spec: NetSpec, layer: LayerSpec) -> Block:
    match layer.op:
        case "conv":
            return BinaryConv(layer, spec.geometry(layer), spec.pad_value(layer.inputs[0]))
        case "dense":
            return BinaryDense(spec.geometry(layer), layer.kind)
        case "classifier":
            return Classifier(spec.geometry(layer), _magnitude(spec, layer))
        case "sign":
            return StreamSign(spec.widths[layer.group], layer.kind)
        case "add":
            return Add()
        case "sumpool":
            return SumPool()


def _magnitude(spec: NetSpec, layer: LayerSpec) -> float:
    """Rough size of the values that a classifier reads: that of the activations, or of a sum over pixels."""
    source = spec.by_name.get(layer.inputs[0])
    if source is None:
        return 1.0
    if source.op != "sumpool":
        return source.kind.magnitude
    _, height, width = spec.shapes[source.inputs[0]]
    return source.kind.magnitude * height * width
