"""Which channels live or die together, and where in the network's tensors they stand, as plain data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
from torch import Tensor

from etb_hw.models.spec import Geometry
from etb_hw.quantizers import KINDS, ActivationKind

Keep: TypeAlias = Mapping[str, Tensor]


@dataclass(frozen=True)
class Segment:
    """A run of channels along an axis: those of a group in order, each ``repeat`` times (flat pixels)."""

    group: str
    repeat: int = 1


Layout: TypeAlias = tuple[Segment, ...]


@dataclass(frozen=True)
class Place:
    """A tensor of the model (a state-dict name) that holds channels: along which axes, in which layout.

    ``fades``: must become zero for channels that leave, since the network reads it as a value.
    """

    tensor: str
    axes: tuple[tuple[int, Layout], ...]
    fades: bool = False


@dataclass(frozen=True)
class Layer:
    """A layer with weights.

    Attributes:
        name: module path. outputs, inputs: layouts. taps: products a pair of channels (kernel size).
        grouped: channels are convolved each for itself. sums: output pixels.
        values: the kind of its inputs, None for anything but activations (pixels, sums).
        evolves: whether its weights are evolving ones.
    """

    name: str
    outputs: Layout
    inputs: Layout
    taps: int
    grouped: bool
    sums: int
    values: str | None
    evolves: bool

    @property
    def group(self) -> str:
        return self.outputs[0].group


def evolving_groups(layers: Iterable[Layer]) -> set[str]:
    """The groups of channels that binary layers yield."""
    return {segment.group for layer in layers if layer.evolves for segment in layer.outputs}


@dataclass(frozen=True)
class Plan:
    """The groups of a prepared network.

    Attributes:
        name: the network's class. widths: channels a group, in order of appearance.
        whole: groups that keep all channels, with the reason.
        places: tensors that hold channels. layers: those with weights.
        acts, pads: layouts of evolving activations and of pads, by module path.
        counts: attributes that are channel counts: (module path, attribute, layout).
    """

    name: str
    widths: Mapping[str, int]
    whole: Mapping[str, str]
    places: tuple[Place, ...]
    layers: tuple[Layer, ...]
    acts: Mapping[str, Layout]
    pads: Mapping[str, Layout]
    counts: tuple[tuple[str, str, Layout], ...]

    @property
    def prunable(self) -> tuple[str, ...]:
        """The groups that may lose channels, in order."""
        return tuple(group for group in self.widths if group not in self.whole)

    @property
    def weighted(self) -> tuple[Layer, ...]:
        return self.layers

    def reads(self) -> dict[str, ActivationKind | None]:
        """The kind of activations that each layer with weights reads; None for anything else."""
        return {layer.name: None if layer.values is None else KINDS[layer.values] for layer in self.layers}

    def with_widths(self, widths: Mapping[str, int]) -> Plan:
        """The same network with other channel counts."""
        return replace(self, widths={**self.widths, **widths})

    def renamed(self, names: Mapping[str, str], order: Iterable[str], whole: Mapping[str, str]) -> Plan:
        """The same groups under other names, in another order; ``whole`` keep all channels."""

        def to(layout: Layout) -> Layout:
            return tuple(replace(segment, group=names[segment.group]) for segment in layout)

        widths = {names[group]: width for group, width in self.widths.items()}
        return Plan(
            self.name,
            {group: widths[group] for group in order},
            whole,
            tuple(
                replace(place, axes=tuple((axis, to(layout)) for axis, layout in place.axes))
                for place in self.places
            ),
            tuple(
                replace(layer, outputs=to(layer.outputs), inputs=to(layer.inputs)) for layer in self.layers
            ),
            {path: to(layout) for path, layout in self.acts.items()},
            {path: to(layout) for path, layout in self.pads.items()},
            tuple((path, attribute, to(layout)) for path, attribute, layout in self.counts),
        )

    def size(self, layout: Layout, widths: Mapping[str, int] | None = None) -> int:
        """Length of an axis with this layout."""
        counts = widths or self.widths
        return sum(counts[segment.group] * segment.repeat for segment in layout)

    def geometry(self, layer: Layer, widths: Mapping[str, int] | None = None) -> Geometry:
        """Sizes of a layer, with other widths a group if given."""
        outputs, inputs = self.size(layer.outputs, widths), self.size(layer.inputs, widths)
        return Geometry(inputs, outputs, 1, layer.taps * (1 if layer.grouped else inputs), layer.sums)

    def spans(self, layout: Layout) -> Iterator[tuple[Segment, int, int]]:
        """Every segment with the first and the last-but-one place on the axis."""
        start = 0
        for segment in layout:
            stop = start + self.widths[segment.group] * segment.repeat
            yield segment, start, stop
            start = stop

    def index(self, layout: Layout, keep: Keep) -> Tensor:
        """The places on an axis that remain when groups keep these channels (others keep all)."""
        parts = []
        for segment, start, _ in self.spans(layout):
            kept = keep.get(segment.group)
            kept = torch.arange(self.widths[segment.group]) if kept is None else kept.cpu()
            each = torch.arange(segment.repeat)
            parts.append((start + kept.unsqueeze(1) * segment.repeat + each).flatten())
        return torch.cat(parts)

    def spread(self, layout: Layout, values: Mapping[str, Tensor], default: Tensor) -> Tensor:
        """Values (C,) a group, laid out along an axis; ``default`` () for groups without."""
        parts = []
        for segment, start, stop in self.spans(layout):
            given = values.get(segment.group)
            parts.append(
                default.expand(stop - start) if given is None else given.repeat_interleave(segment.repeat)
            )
        return torch.cat(parts)

    def table(self) -> str:
        """The groups in words, one a line."""
        readers: dict[str, list[str]] = {}
        for layer in self.layers:
            for segment in layer.outputs:
                readers.setdefault(segment.group, []).append(layer.name)
        lines = []
        for group, width in self.widths.items():
            names = ", ".join(readers.get(group, ["(no weights)"]))
            kept = f"  stays whole: {self.whole[group]}" if group in self.whole else ""
            lines.append(f"{group}: {width} channels of {names}{kept}")
        return "\n".join(lines)
