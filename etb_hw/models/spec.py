"""What a network is, as data: layers, how they connect, and how many channels each group has.

Everything that treats networks uniformly (building, slimming, sizes, export) reads this and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Literal, TypeAlias

from etb_hw.errors import BadInput
from etb_hw.quantizers.kinds import KINDS, ActivationKind, kind_named

Op: TypeAlias = Literal["conv", "dense", "classifier", "sign", "add", "sumpool"]
Shape: TypeAlias = tuple[int, int, int]

INPUT_DTYPES = {"UINT8": 255, "INT8": 128, "UINT16": 65535, "INT16": 32768}  # and their largest magnitudes
INPUT = "input"
CLASSES = "classes"
AN_END = "it is an end of the network"


@dataclass(frozen=True)
class LayerSpec:
    """One layer.

    Attributes:
        name: unique; other layers read its output under this name ("input" is the image).
        op: ``conv`` and ``dense`` are weights, pooling, normalisation and quantizer; ``classifier`` ends in
            integer logits; ``sign`` quantizes a residual stream; ``add`` sums two streams; ``sumpool`` sums
            over all pixels.
        group: the channel group of the output. Layers of one group share one pruning mask.
        output: the kind of activations, see quantizers/kinds.py: ``bipolar`` {-1,+1}, ``stream``: few-bit
            integers that can be added, and others.
        pool: window and stride of the max-pool, 1 for none.
    """

    name: str
    op: Op
    inputs: tuple[str, ...]
    group: str
    kernel: int = 1
    stride: int = 1
    padding: int = 0
    pool: int = 1
    output: str = "bipolar"

    @property
    def weighted(self) -> bool:
        return self.op in ("conv", "dense", "classifier")

    @property
    def kind(self) -> ActivationKind:
        """The values that the output takes (before ``add`` and ``sumpool`` sum them)."""
        return KINDS[self.output]


@dataclass(frozen=True)
class Geometry:
    """Sizes of a weighted layer.

    Attributes:
        inputs, outputs: channels. in_pixels: pixels a channel that a dense layer reads (1 for a conv).
        fan_in: products a sum. sums: output pixels before pooling, each one sum a filter.
        weights: number of weights. macs: products an image.
    """

    inputs: int
    outputs: int
    in_pixels: int
    fan_in: int
    sums: int

    @property
    def weights(self) -> int:
        return self.fan_in * self.outputs

    @property
    def macs(self) -> int:
        return self.weights * self.sums


@dataclass(frozen=True)
class NetSpec:
    """A network: layers in topological order, the channels of every group, and the type of a pixel."""

    name: str
    input_shape: Shape
    classes: int
    layers: tuple[LayerSpec, ...]
    widths: Mapping[str, int]
    input_dtype: str = "UINT8"

    @property
    def largest_input(self) -> int:
        """The largest magnitude of a pixel."""
        return INPUT_DTYPES[self.input_dtype]

    @property
    def prunable(self) -> tuple[str, ...]:
        """The groups whose channels may be cut, in order."""
        return tuple(group for group in self.widths if group not in (INPUT, CLASSES))

    @property
    def whole(self) -> Mapping[str, str]:
        """The groups that keep all channels, and why."""
        return {group: AN_END for group in self.widths if group in (INPUT, CLASSES)}

    @cached_property
    def by_name(self) -> Mapping[str, LayerSpec]:
        return {layer.name: layer for layer in self.layers}

    @property
    def weighted(self) -> tuple[LayerSpec, ...]:
        return tuple(layer for layer in self.layers if layer.weighted)

    def group_of(self, tensor: str) -> str:
        """The channel group of a tensor."""
        return INPUT if tensor == INPUT else self.by_name[tensor].group

    def is_pixels(self, tensor: str) -> bool:
        """Whether a tensor is the image."""
        return tensor == INPUT

    def pad_value(self, tensor: str) -> int:
        """What the borders of a tensor are padded with: 0 around pixels, else as its kind says."""
        return 0 if self.is_pixels(tensor) else self.by_name[tensor].kind.pad

    def with_activation(self, name: str) -> NetSpec:
        """The same topology with another kind of activations in place of the bipolar ones."""
        kind_named(name, "model.activation")
        layers = tuple(
            replace(layer, output=name)
            if layer.op in ("conv", "dense", "sign") and not layer.kind.residual
            else layer
            for layer in self.layers
        )
        return replace(self, layers=layers)

    @cached_property
    def shapes(self) -> Mapping[str, Shape]:
        """(C, H, W) of every tensor. Raises BadInput where an image gets too small."""
        shapes: dict[str, Shape] = {INPUT: self.input_shape}
        for layer in self.layers:
            _, height, width = shapes[layer.inputs[0]]
            channels = self.widths[layer.group]
            match layer.op:
                case "conv":
                    height, width = (_conv_size(layer, size) // layer.pool for size in (height, width))
                case "dense" | "classifier" | "sumpool":
                    height = width = 1
            if min(height, width) < 1:
                raise BadInput(
                    f"model {self.name}, layer {layer.name}",
                    f"input images of {self.input_shape[1]}x{self.input_shape[2]} pixels are too small",
                    "use larger images or a model with less pooling",
                )
            shapes[layer.name] = (channels, height, width)
        return shapes

    def geometry(self, layer: LayerSpec, widths: Mapping[str, int] | None = None) -> Geometry:
        """Sizes of a weighted layer, with other widths a group if given."""
        widths = widths or self.widths
        _, height, width = self.shapes[layer.inputs[0]]
        inputs, outputs = widths[self.group_of(layer.inputs[0])], widths[layer.group]
        if layer.op == "conv":
            sums = _conv_size(layer, height) * _conv_size(layer, width)
            return Geometry(inputs, outputs, 1, inputs * layer.kernel**2, sums)
        return Geometry(inputs, outputs, height * width, inputs * height * width, 1)

    def with_widths(self, widths: Mapping[str, int]) -> NetSpec:
        """The same topology with other channel counts."""
        return replace(self, widths={**self.widths, **widths})

    def to_json(self) -> dict[str, Any]:
        values = asdict(self)
        if self.input_dtype == "UINT8":  # as files without this key have it
            del values["input_dtype"]
        return values

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> NetSpec:
        """Inverse of ``to_json``. Raises BadInput for values that describe no network."""
        try:
            layers = tuple(
                LayerSpec(**{**layer, "inputs": tuple(layer["inputs"])}) for layer in values["layers"]
            )
            channels, height, width = (int(size) for size in values["input_shape"])
            for layer in layers:
                kind_named(layer.output, f"layer {layer.name}")
            widths = {str(group): int(count) for group, count in values["widths"].items()}
            spec = NetSpec(
                str(values["name"]),
                (channels, height, width),
                int(values["classes"]),
                layers,
                widths,
                str(values.get("input_dtype", "UINT8")),
            )
            if spec.input_dtype not in INPUT_DTYPES:
                raise ValueError(f"input_dtype {spec.input_dtype!r}")
            if widths[INPUT] != channels or widths[CLASSES] != spec.classes:
                raise ValueError(f"widths {widths} of {channels} channels and {spec.classes} classes")
            assert spec.shapes
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            raise BadInput("network description", f"cannot be read ({error!r})", "train again") from None
        return spec


def _conv_size(layer: LayerSpec, size: int) -> int:
    return (size + 2 * layer.padding - layer.kernel) // layer.stride + 1


def scaled(count: int, width: float) -> int:
    """A channel count times the width multiplier, at least 1."""
    return max(1, round(count * width))


def counts_of(
    model: str, base: tuple[int, ...], width: float, widths: Sequence[int] | None
) -> tuple[int, ...]:
    """Channel counts: ``base`` times ``width``, or the given ones. Raises BadInput if they misfit."""
    if widths is None:
        return tuple(scaled(count, width) for count in base)
    if len(widths) != len(base) or min(widths) < 1:
        raise BadInput(
            "model.widths",
            f"{list(widths)} does not fit {model}",
            f"give {len(base)} positive channel counts, such as {list(base)}",
        )
    return tuple(widths)
