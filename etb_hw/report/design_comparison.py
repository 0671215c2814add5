"""Two networks in hardware side by side: for the terminal, and as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.table import Table

from etb_hw.artifacts.hardware import Comparison, Figures

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
    return (one.fps, one.resources["lut"], one.resources["bram_18k"], one.latency_us, one.weight_bytes)


def _ratio(value: float, base: float | None) -> str:
    return f"{value:,.0f} ({value / base:.2f})" if base else f"{value:,.0f}"
