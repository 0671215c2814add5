"""What decisions and cost functions ask of a network: channels that live or die together, and sizes.

A ``NetSpec`` states them, the ``Plan`` of a prepared network has them from a trace.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from etb_hw.models.spec import Geometry


class Groups(Protocol):
    """Channel counts of the groups of a network."""

    @property
    def name(self) -> str: ...
    @property
    def widths(self) -> Mapping[str, int]: ...
    @property
    def prunable(self) -> tuple[str, ...]:
        """The groups that may lose channels."""

    @property
    def whole(self) -> Mapping[str, str]:
        """Groups that keep all channels, with the reason."""


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
