"""Sizes of a module by its groups of channels, as ``pruning.sizes`` tells those of a topology."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from etb_hw.artifacts.sizes import Count, LayerSizes, PruningReport
from etb_hw.evolution.plan import Layer, Plan
from etb_hw.pruning.sizes import packed_bytes, report_of_rows, row_of_weights
from etb_hw.quantizers import ActivationKind

Kinds: TypeAlias = Mapping[str, ActivationKind]  # of the activations that read the sums of a group


def plan_report(
    before: Plan, after: Plan, kinds: Kinds, largest: int,
    count: str, target: float, reached: float, budget: str | None = None,
) -> PruningReport:  # fmt: skip
    """Compare a module with its slim version.

    Args:
        after: the same groups, with fewer channels. largest: magnitude of the input's values.
    """
    rows = tuple(_row(before, after, layer, kinds, largest) for layer in before.layers)
    return report_of_rows(before, after, rows, count, target, reached, budget)


def plan_bytes(plan: Plan, kinds: Kinds, largest: int) -> int:
    """Packed one-bit weights, and thresholds (or biases) as wide as the sums; see ``plan_report``."""
    return sum(_bytes(plan, layer, kinds, largest) for layer in plan.layers)


def _row(before: Plan, after: Plan, layer: Layer, kinds: Kinds, largest: int) -> LayerSizes:
    op = "conv" if layer.taps > 1 or layer.sums > 1 else "dense"
    size = Count(*(_bytes(plan, layer, kinds, largest) for plan in (before, after)))
    return row_of_weights(layer.name, op, before.geometry(layer), after.geometry(layer), size)


def _bytes(plan: Plan, layer: Layer, kinds: Kinds, largest: int) -> int:
    size, kind = plan.geometry(layer), plan.reads()[layer.name]
    of_a_filter = kinds[layer.group].thresholds if layer.group in kinds else 1
    bound = size.fan_in * (largest if kind is None else kind.bound)
    return packed_bytes(size.weights, size.outputs * of_a_filter, bound)
