"""The Pareto fronts of a sweep as a picture file."""

from __future__ import annotations

import io

from etb_hw.artifacts.study import Point, Sweep

PICTURE_FILE = "pareto.png"
WORDS = {"bytes": "bytes of weights and thresholds", "lut": "estimated LUT"}


def pareto_picture(sweep: Sweep) -> bytes:
    """Accuracy against each price, as PNG: all points, and the front as a line."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.5 * len(sweep.fronts), 4), layout="constrained")
    FigureCanvasAgg(figure)
    for i, (price, front) in enumerate(sweep.fronts.items()):
        axes = figure.add_subplot(1, len(sweep.fronts), i + 1)
        axes.scatter(
            [_price(p, price) for p in sweep.points],
            [100 * p.accuracy for p in sweep.points],
            alpha=0.6,
            label="runs",
        )
        axes.step(
            [_price(p, price) for p in front],
            [100 * p.accuracy for p in front],
            where="post",
            color="tab:red",
            label="Pareto front",
        )
        axes.set_xlabel(WORDS.get(price, price))
        axes.set_ylabel("test accuracy %")
        axes.set_title(f"{sweep.model}, {sweep.source}")
        axes.grid(alpha=0.3)
        axes.legend(loc="lower right")
    made = io.BytesIO()
    figure.savefig(made, dpi=120, format="png")
    return made.getvalue()


def _price(point: Point, price: str) -> float:
    return float(point.bytes) if price == "bytes" else point.estimate[price]
