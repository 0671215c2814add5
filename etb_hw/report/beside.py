"""One run beside what it must be compared with: its dense baseline, others' figures, the front of a sweep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydantic import TypeAdapter

from etb_hw.artifacts.hardware import Figures
from etb_hw.artifacts.run_file import read_json
from etb_hw.artifacts.study import Baselines, Sweep
from etb_hw.report.estimates import error_band
from etb_hw.report.page import page
from etb_hw.report.published import published
from etb_hw.report.run import Run, read_run
from etb_hw.report.run_page import subtitle, verdict
from etb_hw.report.section import Column, Section, at_both_widths, figure, side_by_side, table
from etb_hw.report.study import BASELINES, PRICES, SWEEP, methods, scatter_at, sweep_points
from etb_hw.report.svg.bars import Bar, Part, bar_chart
from etb_hw.report.svg.scatter import Point


@dataclass(frozen=True)
class Row:
    """A network, or a build of one; None: a figure is not known. ``how`` says whose figures these are."""

    name: str
    class_: str
    how: str
    accuracy: float | None = None
    size: float | None = None
    fps: float | None = None
    lut: float | None = None
    bram: float | None = None


def beside(run_dir: Path, studies: Sequence[Path] = ()) -> str:
    """One self-contained HTML page.

    Args:
        run_dir: a finished run.
        studies: folders of sweeps and of comparisons with baselines, of the same network and data.

    Raises:
        BadInput: no run, or a damaged file.
    """
    run = read_run(run_dir)
    sections = [_figures(run), _bars(run)]
    for folder in studies:
        sweep = read_json(folder / SWEEP, TypeAdapter(Sweep))
        baselines = read_json(folder / BASELINES, TypeAdapter(Baselines))
        if sweep is not None:
            sections.append(_front(run, sweep, folder.name))
        if baselines is not None:
            sections.append(methods(baselines))
    if not studies:
        missing = "a sweep makes it: etb-hw sweep FLOW.toml, then etb-hw report RUN_DIR SWEEP_DIR"
        sections.append(Section("front", "The front of a sweep", "", None, missing))
    return page(f"{run.name} beside others", "ETB comparison", subtitle(run), verdict(run), sections)


def rows(run: Run) -> list[Row]:
    """The run first, its dense baseline second, then what others published of the topology."""
    found = run.summary
    if found is None:
        return []
    sizes = run.pruning.bytes if run.pruning is not None else None
    band = error_band(found.resource_model)
    how = found.resource_model + (f": {band}" if band else "")
    made = [
        Row(
            f"{run.name}: ETB", "c2", f"estimated, {how}", found.accuracy_integer,
            None if sizes is None else sizes.after, found.estimated_fps, found.lut, found.bram_18k,
        ),
        _dense(run, how, None if sizes is None else sizes.before),
        Row(f"{run.name}: ETB, by FINN's formulas", "c3", "estimated by FINN's formulas, the same folding",
            found.accuracy_integer, None, found.estimated_fps, found.lut_finn, found.bram_18k),
    ]  # fmt: skip
    model = (run.flow or {}).get("model", {})
    for other in published(str(model.get("name", found.model))):
        fps = None if other.interval is None else 1e6 * other.clock_mhz / other.interval
        row = Row(other.title, "c6", other.how, other.accuracy, None, fps, other.lut, other.bram_18k)
        made.append(row)
    return made


def _dense(run: Run, how: str, size: float | None) -> Row:
    """The unpruned network, trained alike, and folded for the same rate where that was asked for."""
    assert run.summary is not None
    hardware: Figures | None = run.summary.comparison.at_equal_fps.get("dense")
    wish = "at the same frame rate"
    if hardware is None:
        hardware, wish = run.summary.comparison.on_equal_device.get("dense"), "on the same device"
    found = {} if hardware is None else hardware.resources
    return Row(
        "dense baseline, same recipe", "c1", f"estimated {wish}, {how}", run.summary.accuracy_dense_baseline,
        size, None if hardware is None else hardware.fps, found.get("lut"), found.get("bram_18k"),
    )  # fmt: skip


def _figures(run: Run) -> Section:
    intro = (
        "The same network cut by ETB and whole, and what others published of its topology, where they did."
    )
    cells = [
        (
            row.name,
            "—" if row.accuracy is None else f"{row.accuracy:.2%}",
            *("—" if value is None else f"{value:,.0f}" for value in (row.size, row.fps, row.lut, row.bram)),
            row.how,
        )
        for row in rows(run)
    ]
    columns = [
        Column("network"),
        *(Column(name, True) for name in ("accuracy", "bytes", "frames/s", "LUT", "BRAM 18k")),
        Column("figures of hardware"),
    ]
    note = figure(
        table(columns, cells),
        "Accuracies of others are on their data and by their recipes; LUTs of a vendor's tools count what "
        "estimates of ours do not (shell, DMA). Neither is like for like.",
    )
    missing = "the last step of `etb-hw run` writes summary.json"
    return Section("figures", "In one table", intro, note if cells else None, missing)


def _bars(run: Run) -> Section:
    pictures = []
    for name, value in (("LUT", "lut"), ("BRAM 18k", "bram"), ("bytes", "size")):
        known = [(row, getattr(row, value)) for row in rows(run) if getattr(row, value)]
        if len(known) < 2:
            continue
        most = max(number for _, number in known)
        bars = [Bar(row.name, (Part(number, row.class_),), most, f"{number:,.0f}") for row, number in known]
        pictures.append(figure(bar_chart(name, bars, narrow=True), f"{name}; shorter is better."))
    body = side_by_side(*pictures) if pictures else None
    return Section("cost", "What it costs", "Of each network or build that gives the figure.", body, "")


def _front(run: Run, sweep: Sweep, name: str) -> Section:
    intro = f"Every run of the sweep {name}, and this one among them; the dashed line joins what none beats."
    pictures = []
    own = rows(run)
    for price, words in PRICES.items():
        points = sweep_points(sweep, price)
        value = None if not own else (own[0].size if price == "bytes" else own[0].lut)
        if own and own[0].accuracy is not None and value is not None:
            label = f"this run: {own[0].accuracy:.2%}"
            points = [*points, Point(value, own[0].accuracy, label, "c3")]
        if len(points) > 1:
            title = f"Accuracy and {price}"
            picture = at_both_widths(partial(scatter_at, points=points, title=title, words=words))
            pictures.append(figure(picture, f"Accuracy against {words}; this run in another colour."))
    return Section(f"front-{name}", "The front of a sweep", intro, side_by_side(*pictures) or None, "")
