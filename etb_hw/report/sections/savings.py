"""Dense against pruned."""

from __future__ import annotations

from etb_hw.report.run import Count, Run
from etb_hw.report.section import Section, figure, legend
from etb_hw.report.sections.summary import size
from etb_hw.report.svg.bars import Bar, Part, bar_chart
from etb_hw.report.svg.scale import number

INTRO = "The whole network before and after."


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
    body = legend(("binary", "pruned network"), ("cut", "cut")) + figure(
        bar_chart("Dense against pruned", bars), caption
    )
    return Section(key, title, INTRO, body)


def _bar(name: str, count: Count) -> Bar:
    return Bar(
        name,
        (Part(count.after, "binary"), Part(count.before - count.after, "cut")),
        count.before,
        f"{number(count.after)} of {number(count.before)}  (−{count.ratio:.1%})",
    )
