"""What pruning buys: two networks at equal frame rate, and on an equal device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.table import Table

from etb_hw.dataflow.blocks.mvau import Mvau
from etb_hw.dataflow.devices import Device
from etb_hw.dataflow.folding import fold
from etb_hw.dataflow.graph import DataflowGraph
from etb_hw.dataflow.resources import ResourceModel, Resources, finn_model
from etb_hw.errors import InfeasibleTarget

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Figures:
    """One design in numbers. Latency is FINN's sum of cycles; bytes are those of the weights."""

    fps: float
    resources: Resources
    latency_us: float
    weight_bytes: int


@dataclass(frozen=True)
class Comparison:
    """Figures of each network by its name; None where a target cannot be met.

    Attributes:
        target_fps: the equal frame rate (None: not compared).
        device: the equal device's part (None: not compared).
    """

    target_fps: float | None
    device: str | None
    at_equal_fps: Mapping[str, Figures | None]
    on_equal_device: Mapping[str, Figures | None]


def compare(
    designs: Mapping[str, DataflowGraph],
    *,
    target_fps: float | None = None,
    device: Device | None = None,
    max_utilization: float = 0.7,
    model: ResourceModel = finn_model,
    time_limit_s: float = 30.0,
) -> Comparison:
    """Fold every network for the same frame rate, and for the highest one on the same device."""
    same_fps: dict[str, Figures | None] = {}
    same_device: dict[str, Figures | None] = {}
    for name, graph in designs.items():
        if target_fps is not None:
            same_fps[name] = _figures(graph, model, target_fps=target_fps, time_limit_s=time_limit_s)
        if device is not None:
            same_device[name] = _figures(
                graph, model, device=device, max_utilization=max_utilization, time_limit_s=time_limit_s
            )
    return Comparison(target_fps, None if device is None else device.part, same_fps, same_device)


def figures(graph: DataflowGraph, model: ResourceModel = finn_model) -> Figures:
    """The numbers of a folded design."""
    bits = sum(block.memory_bits for block in graph.blocks if isinstance(block, Mvau))
    latency_us = graph.critical_path_cycles * graph.clk_ns / 1000
    return Figures(graph.fps, graph.cost(model), latency_us, -(-bits // 8))


def _figures(graph: DataflowGraph, model: ResourceModel, **wish: object) -> Figures | None:
    try:
        folded = fold(graph, model=model, **wish)  # type: ignore[arg-type]
    except InfeasibleTarget:
        return None
    return figures(folded.graph, model)


def comparison_table(comparison: Comparison) -> Table:
    """A row a network and question; the first network is the one that ratios refer to."""
    table = Table(title="Side by side (ratios to the first)")
    table.add_column("at")
    table.add_column("network")
    for column in ("frames/s", "LUT", "BRAM18", "latency us", "weight bytes"):
        table.add_column(column, justify="right")
    for label, found in _questions(comparison):
        first = next(iter(found.values()), None)
        base = (None,) * 5 if first is None else _numbers(first)
        for name, one in found.items():
            if one is None:
                table.add_row(label, name, "cannot be met", "", "", "", "")
                continue
            table.add_row(
                label,
                name,
                *(_ratio(a, b) for a, b in zip(_numbers(one), base, strict=True)),
            )
        table.add_section()
    return table


def comparison_picture(comparison: Comparison) -> Figure:
    """Bars of each figure, relative to the first network; a panel a question."""
    from matplotlib.figure import Figure  # takes a second to import, and few need a picture

    questions = _questions(comparison)
    picture = Figure(figsize=(5.5 * len(questions), 3.5))  # no pyplot: no global state, no window
    axes = picture.subplots(1, len(questions), squeeze=False)
    for axis, (label, found) in zip(axes[0], questions, strict=True):
        present = {name: one for name, one in found.items() if one is not None}
        base = next(iter(present.values()), None)
        for i, (name, one) in enumerate(present.items()):
            assert base is not None
            heights = [a / b if b else 0.0 for a, b in zip(_numbers(one), _numbers(base), strict=True)]
            positions = [x + 0.8 * i / len(present) for x in range(len(heights))]
            axis.bar(positions, heights, 0.8 / len(present), label=name)
        axis.set_xticks([x + 0.4 - 0.4 / max(1, len(present)) for x in range(5)])
        axis.set_xticklabels(["frames/s", "LUT", "BRAM", "latency", "bytes"])
        axis.set_title(label)
        axis.set_ylabel("relative to the first")
        axis.legend()
    picture.tight_layout()
    return picture


def _questions(comparison: Comparison) -> list[tuple[str, Mapping[str, Figures | None]]]:
    questions = []
    if comparison.target_fps is not None:
        questions.append((f"{comparison.target_fps:,.0f} frames/s", comparison.at_equal_fps))
    if comparison.device is not None:
        questions.append((comparison.device, comparison.on_equal_device))
    return questions


def _numbers(one: Figures) -> tuple[float, ...]:
    return (one.fps, one.resources.lut, one.resources.bram_18k, one.latency_us, one.weight_bytes)


def _ratio(value: float, base: float | None) -> str:
    return f"{value:,.0f} ({value / base:.2f})" if base else f"{value:,.0f}"
