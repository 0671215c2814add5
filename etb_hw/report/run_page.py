"""The report of one run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from etb_hw.report.page import Verdict, page
from etb_hw.report.run import Run, read_run
from etb_hw.report.section import Section
from etb_hw.report.sections.confusion import confusion
from etb_hw.report.sections.evolution import evolution
from etb_hw.report.sections.filters import filters
from etb_hw.report.sections.pipeline import pipeline
from etb_hw.report.sections.proofs import proofs
from etb_hw.report.sections.reproduce import reproduce
from etb_hw.report.sections.resources import resources
from etb_hw.report.sections.savings import savings
from etb_hw.report.sections.summary import summary
from etb_hw.report.sections.thresholds import thresholds

SECTIONS: tuple[Callable[[Run], Section], ...] = (
    summary,
    proofs,
    evolution,
    filters,
    savings,
    pipeline,
    resources,
    thresholds,
    confusion,
    reproduce,
)


def run_page(run_dir: Path) -> str:
    """One self-contained HTML page from the files of a run folder.

    Sections whose files are not there yet are left out, with a line saying which step makes them.

    Raises:
        BadInput: no run folder, or a damaged file in it.
    """
    run = read_run(run_dir)
    return page(run.name, "ETB run report", subtitle(run), verdict(run), [make(run) for make in SECTIONS])


def subtitle(run: Run) -> str:
    """Model, data and clock in one line."""
    flow = run.flow or {}
    parts = []
    model, data, build = (flow.get(name, {}) for name in ("model", "data", "build"))
    if "name" in model:
        named = model.get("function") or model["name"] if run.summary is None else run.summary.model
        parts.append(str(named) + (f" × {model['width']:g}" if model.get("width", 1) != 1 else ""))
    if "name" in data:
        source = run.summary.data if run.summary is not None else None
        parts.append(f"on {source or data.get('source') or data['name']}")
    if build.get("device"):
        parts.append(f"for {build['device']}")
    if build.get("clk_ns"):
        parts.append(f"at {1000 / build['clk_ns']:g} MHz")
    return " ".join(parts)


def verdict(run: Run) -> Verdict | None:
    """Whether all stages computed the same bits, None where nothing was compared."""
    if not run.proofs:
        return None
    wrong = [proof for proof in run.proofs if proof.status != "equal" or proof.mismatches]
    if wrong:
        first = wrong[0]
        return Verdict(f"✗ {first.step} differs from {first.against}: {first.mismatches:,} mismatches", "bad")
    samples = sum(proof.samples for proof in run.proofs)
    return Verdict(
        f"✓ {len(run.proofs)} comparisons over {samples:,} samples: 0 mismatches. "
        "Every stage computes the same bits.",
        "good",
    )
