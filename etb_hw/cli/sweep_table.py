"""The points of a sweep for the terminal."""

from __future__ import annotations

from rich.table import Table

from etb_hw.artifacts.study import Sweep


def sweep_table(found: Sweep) -> Table:
    """A row a run, by ratio and seed; the last column names the Pareto fronts that it lies on."""
    table = Table(title=f"{found.model} on {found.source}", title_justify="left")
    extra = sorted({key for point in found.points for key in point.estimate})
    for column in ("ratio", "seed", "accuracy", "parameters", "bytes", *extra, "on the front of"):
        table.add_column(column, justify="right")
    for point in sorted(found.points, key=lambda point: (point.ratio, point.seed)):
        fronts = [name for name, points in found.fronts.items() if point in points]
        table.add_row(
            f"{point.ratio:.0%}",
            str(point.seed),
            f"{point.accuracy:.2%}",
            f"{point.parameters:,}",
            f"{point.bytes:,}",
            *(f"{point.estimate.get(key, float('nan')):,.0f}" for key in extra),
            ", ".join(fronts),
        )
    return table
