"""Sizes of a module by its groups of channels, as ``pruning.sizes`` tells those of a topology."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeAlias

from etb_hw.artifacts.sizes import Count, LayerSizes, PruningReport
from etb_hw.evolution.plan import Layer, Plan
from etb_hw.pruning.sizes import report_of_rows
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
    old, new = before.geometry(layer), after.geometry(layer)
    return LayerSizes(
        layer.name,
        "conv" if layer.taps > 1 or layer.sums > 1 else "dense",
        Count(old.outputs, new.outputs),
        Count(old.inputs, new.inputs),
        Count(old.weights, new.weights),
        Count(old.macs, new.macs),
        Count(math.ceil(old.weights / 8), math.ceil(new.weights / 8)),
        Count(*(_bytes(plan, layer, kinds, largest) for plan in (before, after))),
    )


def _bytes(plan: Plan, layer: Layer, kinds: Kinds, largest: int) -> int:
    size = plan.geometry(layer)
    kind = plan.reads()[layer.name]
    bound = size.fan_in * (largest if kind is None else kind.bound)
    of_a_filter = kinds[layer.group].thresholds if layer.group in kinds else 1
    return math.ceil((size.weights + size.outputs * of_a_filter * (bound.bit_length() + 1)) / 8)
