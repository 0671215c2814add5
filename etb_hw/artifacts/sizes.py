"""What pruning saved: the shapes of ``pruning.json``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Count:
    """One quantity before and after pruning."""

    before: int
    after: int

    @property
    def ratio(self) -> float:
        """The share that was cut."""
        return 1 - self.after / self.before if self.before else 0.0

    def __add__(self, other: Count) -> Count:
        return Count(self.before + other.before, self.after + other.after)


@dataclass(frozen=True)
class LayerSizes:
    """One layer with weights or thresholds. ``parameters`` are weights of one bit each; ``weight_bytes``
    are these bits packed, ``bytes`` adds the integer thresholds or biases as wide as the layer's sums."""

    name: str
    op: str
    filters: Count
    inputs: Count
    parameters: Count
    macs: Count
    weight_bytes: Count
    bytes: Count


@dataclass(frozen=True)
class PruningReport:
    """Sizes before and after, and how well the target was met.

    Attributes:
        count: what the target counts. target, reached: shares of it cut.
        budget: what decided the target, in words, where that was a budget of hardware.
        layers: a row a layer that stores something; the totals are their sums (filters: those of weighted
            layers, without the classifier's outputs).
    """

    model: str
    count: str
    target: float
    reached: float
    filters: Count
    parameters: Count
    macs: Count
    weight_bytes: Count
    bytes: Count
    layers: tuple[LayerSizes, ...]
    budget: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The content of pruning.json: every Count as {"before", "after", "ratio"}."""
        return {key: _with_ratios(value) for key, value in asdict(self).items()}


def _with_ratios(values: Any) -> Any:
    if isinstance(values, dict):
        if set(values) == {"before", "after"}:
            return {**values, "ratio": Count(**values).ratio}
        return {key: _with_ratios(value) for key, value in values.items()}
    if isinstance(values, (list, tuple)):
        return [_with_ratios(value) for value in values]
    return values
