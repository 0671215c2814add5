"""Each stage against the next: the same bits, or where they differ."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from etb_hw.report.run import Run
from etb_hw.report.section import Column, Section, table
from etb_hw.verification import Proof

INTRO = (
    "After every step the run compares the new form of the network with the one before, on real images and "
    "random ones, and stops at the first difference. Equal means equal bits, not equal to some tolerance."
)


def proofs(run: Run) -> Section:
    """The chain of stages, and a row a comparison."""
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
                "✓ equal" if proof.status == "equal" else "✗ different",
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
    return Section(key, title, INTRO, _chain(run.proofs) + table(columns, rows))


def _chain(rows: Sequence[Proof]) -> Markup:
    """The stages as links: a row that goes on where the last one ended joins its chain."""
    chains: list[list[tuple[str, Proof | None]]] = []
    for row in rows:
        chain = next((c for c in chains if c[-1][0] == row.against), None)
        if chain is None or row.step in [name for name, _ in chain]:
            chain = [(row.against, None)]
            chains.append(chain)
        chain.append((row.step, row))
    lines = []
    for chain in chains:
        parts = []
        for name, proof in chain:
            if proof is not None:
                kind, sign = ("good", "=") if proof.status == "equal" else ("bad", "≠")
                parts.append(
                    Markup('<span class="link {}" title="{} samples">{}</span>').format(
                        kind, f"{proof.samples:,}", sign
                    )
                )
            parts.append(Markup('<span class="stage">{}</span>').format(name))
        lines.append(Markup('<p class="chain">{}</p>').format(Markup("").join(parts)))
    return Markup("").join(lines)
