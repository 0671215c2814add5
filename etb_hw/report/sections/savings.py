"""Dense against pruned."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from etb_hw.artifacts.hardware import Figures
from etb_hw.artifacts.sizes import Count
from etb_hw.report.run import Run
from etb_hw.report.section import Column, Section, at_both_widths, figure, legend, table
from etb_hw.report.sections.summary import size
from etb_hw.report.svg.bars import Bar, Part, bar_chart
from etb_hw.report.svg.scale import number

INTRO = "The whole network before and after, and what that means in hardware."


def savings(run: Run) -> Section:
    """Filters, parameters, MACs and bytes: what is left of each, and the target."""
    key, title = "savings", "Dense against pruned"
    if run.pruning is None:
        return Section(key, title, INTRO, None, "pruning writes pruning.json: etb-hw prune FLOW.toml")
    found = run.pruning
    bars = [
        _bar("filters", found.filters),
        _bar("parameters", found.parameters),
        _bar("MACs an image", found.macs),
        Bar(
            "bytes",
            (Part(found.bytes.after, "binary"), Part(found.bytes.before - found.bytes.after, "cut")),
            found.bytes.before,
            f"{' '.join(size(found.bytes.after))} of {' '.join(size(found.bytes.before))}"
            f"  (−{found.bytes.ratio:.1%})",
        ),
    ]
    caption = f"Target: cut {found.target:.1%} of the {found.count}; reached {found.reached:.1%}."
    if found.budget is not None:
        caption = (
            f"Target: {found.budget}. By LUTs of the matrix products, {found.reached:.1%} was cut for that."
        )
    body = legend(("binary", "pruned network"), ("cut", "cut")) + figure(
        at_both_widths(lambda narrow: bar_chart("Dense against pruned", bars, narrow=narrow)), caption
    )
    if run.hardware is not None:
        at = f"At {run.hardware.target_fps:,.0f} frames a second" if run.hardware.target_fps else ""
        body += _designs(at, run.hardware.at_equal_fps)
        body += _designs(f"As fast as {run.hardware.device} allows", run.hardware.on_equal_device)
    return Section(key, title, INTRO, body)


def _designs(title: str, designs: Mapping[str, Figures | None]) -> Markup:
    """Both networks in hardware, folded for the same wish; the first is what ratios refer to."""
    if not designs:
        return Markup("")
    first = next(iter(designs.values()))
    rows: list[list[str | Markup]] = []
    for name, found in designs.items():
        if found is None:
            rows.append([name, "cannot be met", "", "", ""])
            continue
        base = None if first is None or first is found else _figures(first)
        cells = (
            _with_ratio(value, None if base is None else base[i]) for i, value in enumerate(_figures(found))
        )
        rows.append([name, *cells])
    columns = [
        Column("network"),
        *(Column(unit, True) for unit in ("frames/s", "LUT", "BRAM 18k", "latency, µs")),
    ]
    return Markup("<h3>{}</h3>{}").format(title, table(columns, rows))


def _figures(found: Figures) -> tuple[float, ...]:
    return found.fps, found.resources["lut"], found.resources["bram_18k"], found.latency_us


def _with_ratio(value: float, base: float | None) -> Markup:
    ratio = Markup('<span class="ratio">×{}</span>').format(f"{value / base:.2f}") if base else Markup("")
    return Markup("{} {}").format(f"{value:,.0f}", ratio)


def _bar(name: str, count: Count) -> Bar:
    return Bar(
        name,
        (Part(count.after, "binary"), Part(count.before - count.after, "cut")),
        count.before,
        f"{number(count.after)} of {number(count.before)}  (−{count.ratio:.1%})",
    )
