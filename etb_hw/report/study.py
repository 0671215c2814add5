"""Pages about many runs: a sweep with its Pareto fronts, and a comparison with baselines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import mean, stdev

from markupsafe import Markup
from pydantic import TypeAdapter

from etb_hw.artifacts.run_file import read_json
from etb_hw.artifacts.run_files import FLOW, PAGE
from etb_hw.artifacts.study import TITLES, BaselineRun, Baselines, Sweep, Trained
from etb_hw.report.page import page
from etb_hw.report.section import Column, Section, at_both_widths, figure, side_by_side, table
from etb_hw.report.svg.dots import Dots, dot_chart
from etb_hw.report.svg.scatter import Point, scatter

SWEEP, BASELINES = "sweep.json", "baselines.json"
PRICES = {"bytes": "bytes of weights and thresholds", "lut": "estimated LUT"}


def is_study(folder: Path) -> bool:
    """Whether a folder holds a sweep or a comparison with baselines, and no run of its own."""
    found = (folder / SWEEP).is_file() or (folder / BASELINES).is_file()
    return found and not FLOW.path(folder).is_file()


def study(folder: Path) -> str:
    """One self-contained HTML page about a sweep, a comparison with baselines, or both. Raises BadInput."""
    sweep = read_json(folder / SWEEP, TypeAdapter(Sweep))
    baselines = read_json(folder / BASELINES, TypeAdapter(Baselines))
    about = sweep or baselines
    subtitle = f"{about.model} on {about.source}" if about is not None else ""
    pages = {} if sweep is None else _pages(folder, sweep)
    sections = [_front(sweep, pages), _ratios(sweep), _trials(sweep, pages), methods(baselines)]
    return page(folder.resolve().name, "ETB study", subtitle, None, sections)


def _pages(folder: Path, sweep: Sweep) -> dict[str, str]:
    """Where the pages of trials lie, by the trials' folders, seen from the sweep's own page."""
    names = {point.folder for point in sweep.points if Path(point.folder).name == point.folder}
    return {name: f"{name}/{PAGE.name}" for name in names if name and (folder / name / PAGE.name).is_file()}


def _front(sweep: Sweep | None, pages: Mapping[str, str]) -> Section:
    intro = (
        "Each point is a run, and a click opens its page. The dashed line joins those that no other run "
        "beats in both measures."
    )
    if sweep is None or not sweep.points:
        return Section("pareto", "Pareto front", intro, None, "a sweep makes it: etb-hw sweep FLOW.toml")
    pictures = []
    for price, words in PRICES.items():
        points = sweep_points(sweep, price, pages)
        if points:
            picture = at_both_widths(
                partial(scatter_at, points=points, title=f"Accuracy and {price}", words=words)
            )
            pictures.append(figure(picture, f"Accuracy on the test images against {words}."))
    return Section("pareto", "Pareto front", intro, side_by_side(*pictures))


def scatter_at(narrow: bool, points: Sequence[Point], title: str, words: str) -> Markup:
    """Accuracy against a price, for ``at_both_widths``."""
    return scatter(title, points, x_label=words, y_label="accuracy", narrow=narrow)


def sweep_points(sweep: Sweep, price: str, pages: Mapping[str, str] | None = None) -> list[Point]:
    """The runs of a sweep by a cost (of ``PRICES``) and their accuracy, where they have that figure.

    ``pages``: links to those of runs, by their folders.
    """
    return [
        Point(
            float(p.bytes) if price == "bytes" else p.estimate[price],
            p.accuracy,
            f"ratio {p.ratio:.0%}, seed {p.seed}: {p.accuracy:.2%}",
            link=(pages or {}).get(p.folder, ""),
        )
        for p in sweep.points
        if price == "bytes" or price in p.estimate
    ]


def _ratios(sweep: Sweep | None) -> Section:
    key, title = "ratios", "Every pruning ratio"
    intro = "Means over the seeds, with the standard deviation of the accuracy."
    if sweep is None or not sweep.points:
        return Section(
            "ratios", "Every pruning ratio", intro, None, "a sweep makes it: etb-hw sweep FLOW.toml"
        )
    by_ratio = {
        ratio: [p for p in sweep.points if p.ratio == ratio] for ratio in {p.ratio for p in sweep.points}
    }
    names = _estimates(sweep.points)
    rows = [
        (f"{ratio:.0%}", str(len(points)), spread(p.accuracy for p in points), *_costs(points, names))
        for ratio, points in sorted(by_ratio.items())
    ]
    columns = [Column("to cut"), Column("seeds", True), Column("accuracy", True), *_cost_columns(names)]
    return Section(key, title, intro, table(columns, rows))


def _trials(sweep: Sweep | None, pages: Mapping[str, str]) -> Section:
    key, title = "trials", "Every run"
    intro = (
        "Each folder is a run: its checkpoint, its QONNX and its build can be used as they are, and "
        "`etb-hw run FOLDER/flow.json --out FOLDER` does the steps that are left."
    )
    if sweep is None or not sweep.points:
        return Section(key, title, intro, None, "a sweep makes it: etb-hw sweep FLOW.toml")
    names = _estimates(sweep.points)
    rows = []
    for p in sweep.points:
        name: str | Markup = p.folder or "figures only"
        if p.folder in pages:
            name = Markup('<a href="{}">{}</a>').format(pages[p.folder], p.folder)
        rows.append((name, f"{p.ratio:.0%}", str(p.seed), f"{p.accuracy:.2%}", *_costs([p], names)))
    columns = [
        Column("folder"), Column("to cut", True), Column("seed", True), Column("accuracy", True),
        *_cost_columns(names),
    ]  # fmt: skip
    return Section(key, title, intro, table(columns, rows))


def methods(baselines: Baselines | None) -> Section:
    """Every method by its accuracy and cost; without a body where nothing was compared."""
    key, title = "methods", "ETB against what it must beat"
    intro = "The same recipe, budget and seeds for every method. The small dense network is the one to beat."
    if baselines is None or not baselines.runs:
        return Section(key, title, intro, None, "a comparison makes it: etb-hw baselines FLOW.toml")
    by_method: dict[str, list[BaselineRun]] = {}
    for run in baselines.runs:
        by_method.setdefault(run.method, []).append(run)
    words = {method: title for method, title in TITLES.items() if method in by_method}
    dots = [
        Dots(
            words[method],
            [run.accuracy for run in by_method[method]],
            spread(run.accuracy for run in by_method[method]),
            "c2" if method == "etb" else "c6",
        )
        for method in words
    ]
    names = _estimates(baselines.runs)
    rows = []
    for method in words:
        runs = by_method[method]
        costs = _costs(runs, names)
        seconds = f"{mean(run.seconds for run in runs):,.0f} s"
        rows.append((words[method], str(len(runs)), spread(run.accuracy for run in runs), *costs, seconds))
    columns = [Column("method"), Column("seeds", True), Column("accuracy", True), *_cost_columns(names)]
    caption = (
        f"Accuracy on the test images of {baselines.source}: a dot a seed, a bar at the mean. "
        f"{baselines.epochs} epochs, {baselines.ratio:.1%} of the {baselines.count} to cut."
    )
    body = figure(
        at_both_widths(lambda narrow: dot_chart("Accuracy of every method", dots, narrow=narrow)), caption
    )
    return Section(key, title, intro, body + table([*columns, Column("training", True)], rows))


def spread(values: Iterable[float]) -> str:
    """Mean and standard deviation of shares, in percent."""
    found = list(values)
    deviation = f" ± {100 * stdev(found):.2f}" if len(found) > 1 else ""
    return f"{100 * mean(found):.2f}{deviation} %"


def _estimates(runs: Sequence[Trained]) -> list[str]:
    """Hardware figures that all runs have."""
    return sorted(set.intersection(*(set(run.estimate) for run in runs)))


def _cost_columns(names: Sequence[str]) -> list[Column]:
    return [Column("parameters", True), Column("bytes", True), *(Column(name, True) for name in names)]


def _costs(runs: Sequence[Trained], names: Sequence[str]) -> list[str]:
    means = [mean(run.parameters for run in runs), mean(run.bytes for run in runs)]
    estimates: list[Mapping[str, float]] = [run.estimate for run in runs]
    means += [mean(estimate[name] for estimate in estimates) for name in names]
    return [f"{value:,.0f}" for value in means]
