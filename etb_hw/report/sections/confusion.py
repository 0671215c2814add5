"""Which classes are taken for which."""

from __future__ import annotations

from etb_hw.report.run import Run
from etb_hw.report.section import Section, figure
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
    caption = f"{right:,} of {total:,} images right ({right / max(1, total):.2%})."
    return Section(key, title, INTRO, figure(picture, caption))
