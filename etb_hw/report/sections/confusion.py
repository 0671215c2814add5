"""Which classes are taken for which."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from etb_hw.report.run import Run
from etb_hw.report.section import Column, Section, figure, side_by_side, table
from etb_hw.report.svg.matrix import confusion_matrix

INTRO = "Every test image through the integer network, bit for bit what the hardware answers."


def confusion(run: Run) -> Section:
    """The confusion matrix of the simulation over the whole test set."""
    key, title = "confusion", "Right and wrong answers"
    counts = None if run.summary is None else run.summary.confusion
    if run.summary is None or not counts:
        return Section(
            key, title, INTRO, None, "simulation counts them: etb-hw simulate MODEL.onnx --data ..."
        )
    names = run.summary.classes or [str(i) for i in range(len(counts))]
    right = sum(counts[i][i] for i in range(len(counts)))
    total = sum(map(sum, counts))
    picture = confusion_matrix("Confusion matrix", counts, names)
    caption = f"Numbers of images: {right:,} of {total:,} are right ({right / max(1, total):.2%})."
    if run.summary.simulated_images_per_second:
        caption += f" Simulated at {run.summary.simulated_images_per_second:,.0f} images a second."
    body = side_by_side(figure(picture, caption), _classes(counts, names))
    return Section(key, title, INTRO, body)


def _classes(counts: Sequence[Sequence[int]], names: Sequence[str]) -> Markup:
    """A row a class: how many are right, and what the others are taken for most often."""
    rows = []
    for i, row in enumerate(counts):
        total = sum(row)
        wrong = [(count, names[j]) for j, count in enumerate(row) if j != i and count]
        most = max(wrong, default=(0, ""))
        rows.append(
            (
                names[i],
                f"{total:,}",
                f"{row[i] / total:.1%}" if total else "",
                f"{most[1]} ({most[0]:,})" if most[0] else "",
            )
        )
    columns = [
        Column("class"),
        Column("images", True),
        Column("right", True),
        Column("else mostly taken for"),
    ]
    return table(columns, rows, "tight")
