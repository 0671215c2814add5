"""Several runs side by side. The first is the reference of all ratios."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from etb_hw.errors import BadInput
from etb_hw.report.page import Verdict, page
from etb_hw.report.run import Run, read_run
from etb_hw.report.run_page import subtitle, verdict
from etb_hw.report.section import Column, Section, figure, side_by_side, table
from etb_hw.report.sections.evolution import accuracy_range
from etb_hw.report.svg.bars import Bar, Part, bar_chart
from etb_hw.report.svg.lines import Curve, line_chart
from etb_hw.report.svg.scale import number
from etb_hw.report.svg.scatter import Point, scatter

TONES = 8


@dataclass(frozen=True)
class Measure:
    """A figure of a run: how to write it, whether ratios and whether bars compare it well."""

    name: str
    text: Callable[[float], str]
    ratio: bool = True
    bar: bool = False


def _share(value: float) -> str:
    return f"{value:.2%}"


def _whole(value: float) -> str:
    return f"{value:,.0f}"


ACCURACY, BYTES, LUT = "accuracy in integers", "bytes", "LUT"
MEASURES = (
    Measure(ACCURACY, _share, ratio=False),
    Measure("accuracy of the dense baseline", _share, ratio=False),
    Measure("parameters cut", _share, ratio=False),
    Measure("filters cut", _share, ratio=False),
    Measure("filters", _whole),
    Measure("parameters", _whole, bar=True),
    Measure("MACs an image", _whole, bar=True),
    Measure(BYTES, _whole, bar=True),
    Measure("frames a second", _whole, bar=True),
    Measure("latency, µs", number),
    Measure(LUT, _whole, bar=True),
    Measure("BRAM 18k", _whole, bar=True),
)


def figures(run: Run) -> dict[str, float]:
    """The measures that a run has, by name."""
    found: dict[str, float | None] = {}
    if run.summary is not None:
        found[ACCURACY] = run.summary.accuracy_integer
        found["accuracy of the dense baseline"] = run.summary.accuracy_dense_baseline
        found[LUT], found["BRAM 18k"] = run.summary.lut, run.summary.bram_18k
    if run.pruning is not None:
        found["parameters cut"] = run.pruning.parameters.ratio
        found["filters cut"] = run.pruning.filters.ratio
        found["filters"] = run.pruning.filters.after
        found["parameters"] = run.pruning.parameters.after
        found["MACs an image"] = run.pruning.macs.after
        found[BYTES] = run.pruning.bytes.after
    if run.performance is not None:
        found["frames a second"] = run.performance.estimated_throughput_fps
        found["latency, µs"] = run.performance.estimated_latency_ns / 1000
    return {name: value for name, value in found.items() if value is not None}


def compare(run_dirs: Sequence[Path]) -> str:
    """One self-contained HTML page that sets runs side by side.

    Raises:
        BadInput: fewer than two folders, or one that is no run.
    """
    if len(run_dirs) < 2:
        raise BadInput("comparison", "needs at least two run folders", "etb-hw report RUN_DIR RUN_DIR ...")
    runs = [read_run(path) for path in run_dirs]
    names = _names(runs)
    sections = [
        _figures(runs, names),
        _bars(runs, names),
        _curves(runs, names),
        _filters(runs, names),
        _trade(runs, names),
    ]
    return page(
        " / ".join(names), "ETB runs side by side", subtitle(runs[0]), _verdict(runs, names), sections
    )


def _names(runs: Sequence[Run]) -> list[str]:
    """Folder names, with their parents where they would be the same."""
    names = [run.name for run in runs]
    if len(set(names)) == len(names):
        return names
    return ["/".join(run.path.resolve().parts[-2:]) for run in runs]


def _verdict(runs: Sequence[Run], names: Sequence[str]) -> Verdict | None:
    found = [(name, verdict(run)) for name, run in zip(names, runs, strict=True)]
    bad = [f"{name}: {line.text}" for name, line in found if line is not None and line.class_ == "bad"]
    if bad:
        return Verdict(bad[0], "bad")
    proved = [name for name, line in found if line is not None]
    if len(proved) < len(runs):
        return None
    return Verdict(f"✓ All {len(runs)} runs are proved: 0 mismatches.", "good")


def _figures(runs: Sequence[Run], names: Sequence[str]) -> Section:
    rows: list[list[str | Markup]] = []
    for measure in MEASURES:
        values = [figures(run).get(measure.name) for run in runs]
        if all(value is None for value in values):
            continue
        first = values[0]
        cells: list[str | Markup] = [measure.name]
        for i, value in enumerate(values):
            text = "—" if value is None else measure.text(value)
            if i and value is not None and first and measure.ratio:
                text = Markup('{} <span class="ratio">×{}</span>').format(text, f"{value / first:.3g}")
            cells.append(text)
        rows.append(cells)
    intro = f"Ratios are against {names[0]}."
    body = table([Column(""), *(Column(name, True) for name in names)], rows) if rows else None
    return Section("figures", "Figures", intro, body, "the last step of `etb-hw run` makes them")


def _bars(runs: Sequence[Run], names: Sequence[str]) -> Section:
    pictures = []
    for measure in (m for m in MEASURES if m.bar):
        values = [figures(run).get(measure.name) for run in runs]
        most = max((value for value in values if value is not None), default=0.0)
        if most <= 0:
            continue
        bars = [
            Bar(name, (Part(value or 0.0, _tone(i)),), most, "—" if value is None else measure.text(value))
            for i, (name, value) in enumerate(zip(names, values, strict=True))
        ]
        picture = bar_chart(measure.name, bars, narrow=True)
        pictures.append(figure(picture, measure.name))
    body = side_by_side(*pictures) if pictures else None
    return Section("bars", "Size, speed and cost", "Shorter is better, except for frames a second.", body, "")


def _curves(runs: Sequence[Run], names: Sequence[str]) -> Section:
    curves = []
    for i, (run, name) in enumerate(zip(runs, names, strict=True)):
        points = [(e.epoch, e.accuracy) for e in run.epochs or () if e.accuracy is not None]
        if points:
            curves.append(Curve(name, [x for x, _ in points], [y for _, y in points], _tone(i)))
    body = None
    if curves:
        low, high = accuracy_range(curves)
        picture = line_chart(
            "Accuracy",
            curves,
            x_label="epoch",
            percent=True,
            low=low,
            high=high,
            width=1040.0,
            height=330.0,
        )
        body = figure(picture, "Accuracy on the test images while training.")
    return Section(
        "training", "Training", "The runs' own test images.", body, "training writes metrics.jsonl"
    )


def _filters(runs: Sequence[Run], names: Sequence[str]) -> Section:
    intro = "Filters a layer that each run keeps."
    known = [(run, name) for run, name in zip(runs, names, strict=True) if run.pruning is not None]
    layers = [[row.name for row in run.pruning.layers] for run, _ in known if run.pruning]
    if not known or any(other != layers[0] for other in layers):
        return Section("filters", "Filters", intro, None, "needs runs of one topology that have pruning.json")
    rows = []
    for i, layer in enumerate(layers[0]):
        counts = [run.pruning.layers[i].filters for run, _ in known if run.pruning]
        rows.append([layer, *(f"{count.after:,} of {count.before:,}" for count in counts)])
    body = table([Column("layer"), *(Column(name, True) for _, name in known)], rows, "tight")
    return Section("filters", "Filters", intro, body)


def _trade(runs: Sequence[Run], names: Sequence[str]) -> Section:
    """Accuracy against size and against logic."""
    intro = "Up and to the left is better."
    pictures = []
    for label in (BYTES, LUT):
        points = []
        for i, (run, name) in enumerate(zip(runs, names, strict=True)):
            x, y = figures(run).get(label), figures(run).get(ACCURACY)
            if x is not None and y is not None:
                points.append(Point(x, y, f"{name}: {y:.2%} with {x:,.0f} {label}", _tone(i)))
        if len(points) >= 2:
            picture = scatter(f"Accuracy and {label}", points, x_label=label, y_label="accuracy")
            pictures.append(figure(picture, f"Accuracy against {label}; the dashed line is the best so far."))
    body = side_by_side(*pictures) if pictures else None
    return Section(
        "trade", "What accuracy costs", intro, body, "the last step of `etb-hw run` makes the figures"
    )


def _tone(index: int) -> str:
    return f"c{index % TONES + 1}"
