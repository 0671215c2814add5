"""Each stage against the next: the same bits, or where they differ."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from etb_hw.report.run import Run
from etb_hw.report.section import Column, Section, figure, table
from etb_hw.report.svg.proof_graph import Link, proof_graph
from etb_hw.verification import Proof

INTRO = (
    "After every step the run compares the new form of the network with the one before, on real images and "
    "random ones, and stops at the first difference. Equal means equal bits, not equal to some tolerance."
)


def proofs(run: Run) -> Section:
    """The stages and what each was compared with, and a row a comparison."""
    key, title = "proof", "Proof: every stage computes the same bits"
    if not run.proofs:
        return Section(key, title, INTRO, None, "every step of `etb-hw run` adds rows to verification.json")
    rows = [
        (
            proof.step,
            proof.against,
            f"{proof.samples:,}",
            f"{proof.mismatches:,}",
            f"{proof.max_abs_diff:g}",
            Markup('<span class="badge {}">{}</span>').format(
                "good" if proof.status == "equal" else "bad",
                _result(proof),
            ),
        )
        for proof in run.proofs
    ]
    columns = [
        Column("stage"),
        Column("equals"),
        Column("samples", True),
        Column("mismatches", True),
        Column("largest difference", True),
        Column("result"),
    ]
    return Section(
        key,
        title,
        INTRO,
        Markup('<div class="wide">{}</div>').format(
            figure(proofs_picture(run.proofs), "A line is a comparison, bit for bit.")
        )
        + table(columns, rows),
    )


def _result(proof: Proof) -> str:
    if proof.status == "different":
        return "✗ different"
    return f"✓ equal, {proof.ties} ties by float64" if proof.ties else "✓ equal"


def proofs_picture(rows: Sequence[Proof]) -> Markup:
    """Stages, and lines between those that were compared."""
    links = [
        Link(
            row.against,
            row.step,
            row.status == "equal",
            f"{row.step} against {row.against}: {row.mismatches:,} of {row.samples:,} samples differ",
        )
        for row in rows
    ]
    return proof_graph("Which stage was compared with which", links)
