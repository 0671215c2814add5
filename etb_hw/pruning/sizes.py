"""What pruning saved: filters, parameters, MACs and bytes, a layer and in all."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeAlias

from etb_hw.artifacts.sizes import Count, LayerSizes, PruningReport
from etb_hw.models.groups import Sized
from etb_hw.models.spec import Geometry, LayerSpec, NetSpec

Widths: TypeAlias = Mapping[str, int]
Cost: TypeAlias = Callable[[Widths], float]


def report(
    before: NetSpec, after: NetSpec, count: str, target: float, reached: float, budget: str | None = None
) -> PruningReport:
    """Compare a network with its slim version (same topology)."""
    rows = tuple(_row(before, after, layer) for layer in before.layers if layer.op not in ("add", "sumpool"))
    return report_of_rows(before, after, rows, count, target, reached, budget)


def report_of_rows(
    before: Sized, after: Sized, rows: tuple[LayerSizes, ...],
    count: str, target: float, reached: float, budget: str | None,
) -> PruningReport:  # fmt: skip
    """The report whose layers are these rows."""

    def total(name: str) -> Count:
        return sum((getattr(row, name) for row in rows), Count(0, 0))

    return PruningReport(
        before.name,
        count,
        target,
        reached,
        Count(filters(before), filters(after)),
        total("parameters"),
        total("macs"),
        total("weight_bytes"),
        total("bytes"),
        rows,
        budget,
    )


def _row(before: NetSpec, after: NetSpec, layer: LayerSpec) -> LayerSizes:
    if not layer.weighted:
        channels = Count(before.widths[layer.group], after.widths[layer.group])
        size = Count(layer_bytes(before, layer), layer_bytes(after, layer))
        none = Count(0, 0)
        return LayerSizes(layer.name, layer.op, channels, channels, none, none, none, size)
    size = Count(layer_bytes(before, layer), layer_bytes(after, layer))
    return row_of_weights(layer.name, layer.op, before.geometry(layer), after.geometry(layer), size)


def row_of_weights(name: str, op: str, old: Geometry, new: Geometry, size: Count) -> LayerSizes:
    """The row of a layer with weights, before and after."""
    return LayerSizes(
        name,
        op,
        Count(old.outputs, new.outputs),
        Count(old.inputs, new.inputs),
        Count(old.weights, new.weights),
        Count(old.macs, new.macs),
        Count(math.ceil(old.weights / 8), math.ceil(new.weights / 8)),
        size,
    )


def packed_bytes(weights: int, constants: int, bound: int) -> int:
    """One bit a weight, and constants as wide as sums of magnitude ``bound``, with their sign."""
    return math.ceil((weights + constants * (bound.bit_length() + 1)) / 8)


def filters(spec: Sized, widths: Widths | None = None) -> int:
    """Filters of all layers that may lose some."""
    return sum(
        spec.geometry(layer, widths).outputs for layer in spec.weighted if layer.group in spec.prunable
    )


def parameters(spec: Sized, widths: Widths | None = None) -> int:
    """Binary weights of all layers."""
    return sum(spec.geometry(layer, widths).weights for layer in spec.weighted)


def macs(spec: Sized, widths: Widths | None = None) -> int:
    """Multiply-accumulates an image, of all layers."""
    return sum(spec.geometry(layer, widths).macs for layer in spec.weighted)


def layer_bytes(spec: NetSpec, layer: LayerSpec) -> int:
    """Packed one-bit weights, and thresholds (or the classifier's biases) as wide as the layer's sums."""
    per_filter = 1 if layer.op == "classifier" else layer.kind.thresholds
    weights = spec.geometry(layer).weights if layer.weighted else 0
    return packed_bytes(weights, spec.widths[layer.group] * per_filter, sum_bound(spec, layer))


def size_bytes(spec: NetSpec) -> int:
    """``layer_bytes`` of all layers that store something."""
    return sum(layer_bytes(spec, layer) for layer in spec.layers if layer.op not in ("add", "sumpool"))


def sum_bound(spec: NetSpec, layer: LayerSpec) -> int:
    """The largest magnitude of what a layer's thresholds are compared with."""
    if not layer.weighted:
        return value_bound(spec, layer.inputs[0])
    return spec.geometry(layer).fan_in * value_bound(spec, layer.inputs[0])


def value_bound(spec: NetSpec, tensor: str) -> int:
    """The largest magnitude of a tensor's values."""
    if spec.is_pixels(tensor):
        return spec.largest_input
    layer = spec.by_name[tensor]
    match layer.op:
        case "add":
            return sum(value_bound(spec, name) for name in layer.inputs)
        case "sumpool":
            _, height, width = spec.shapes[layer.inputs[0]]
            return height * width * value_bound(spec, layer.inputs[0])
    return layer.kind.bound


def cost_function(spec: Sized, count: str) -> Cost:
    """What a ratio in ``count`` (parameters, filters or macs) counts, as a function of the widths."""
    counters = {"parameters": parameters, "filters": filters, "macs": macs}
    return partial(_cost, counters[count], spec)  # no lambda: whole training sessions are pickled


def _cost(
    counter: Callable[[Sized, Mapping[str, int]], float], spec: Sized, widths: Mapping[str, int]
) -> float:
    return counter(spec, {**spec.widths, **widths})
