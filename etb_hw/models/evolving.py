"""What evolution asks of a network: layers with thresholds, and groups of channels that live or die together.

``BinaryNet`` and networks that were prepared by ``etb_hw.evolution`` both offer it; the controller, the
allocation and the cost functions know nothing else of a network.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from torch import Tensor

from etb_hw.models.spec import Geometry
from etb_hw.quantizers import ChannelQuant, EvolvingWeightQuant


class EvolvingLayer(Protocol):
    """A layer whose weights or outputs have thresholds."""

    def weight_quant(self) -> EvolvingWeightQuant | None:
        """The quantizer of its weights, if it has any."""

    def act_quant(self) -> ChannelQuant | None:
        """The quantizer of its outputs, if it has one."""

    def latent(self) -> Tensor | None:
        """The weights (O, ...) behind the quantizer, if it has any."""


class EvolvingNet(Protocol):
    """A network that evolves from ternary to binary or zero."""

    def producers(self, group: str) -> Sequence[EvolvingLayer]:
        """The layers that yield channels of a group."""

    def whole(self) -> Sequence[EvolvingLayer]:
        """The layers whose channels all stay."""

    def sensitivity(self, group: str) -> Tensor | None:
        """First-order change (C,) of the loss when a channel goes, if gradients tell."""

    def fade_borders(self, group: str, alive: Tensor) -> None:
        """Pad channels of a group with ``alive`` (C,) in [0, 1] times the usual value while they fade."""

    def set_alive(self, group: str, alive: Tensor) -> None:
        """Kill the channels of a group where ``alive`` (C,) is 0."""

    def filters(self) -> Iterator[tuple[str, Tensor]]:
        """Of every layer with evolving weights, a group and the quantized weights (C, ...) of its filters."""

    def ternary(self) -> Iterator[tuple[str, str, Tensor]]:
        """Thresholds (C,) still trained, each behind its layer's name and ``weights`` or ``activations``."""

    def set_hard(self) -> None:
        """Make all weights and activations binary for good."""

    def project(self) -> None:
        """Return parameters to their legal range, after an optimizer step."""


class Groups(Protocol):
    """Channel counts of the groups of a network."""

    @property
    def name(self) -> str: ...
    @property
    def widths(self) -> Mapping[str, int]: ...
    @property
    def prunable(self) -> tuple[str, ...]:
        """The groups that may lose channels."""


class WeightedLayer(Protocol):
    """A layer with weights, as cost functions see it."""

    @property
    def name(self) -> str: ...
    @property
    def group(self) -> str:
        """The group of its outputs."""


class Sized(Groups, Protocol):
    """A network of which sizes can be counted."""

    @property
    def weighted(self) -> Sequence[WeightedLayer]: ...

    def geometry(self, layer: Any, widths: Mapping[str, int] | None = None) -> Geometry:
        """Sizes of a layer of ``weighted``, at these widths."""
