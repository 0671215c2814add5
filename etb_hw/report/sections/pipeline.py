"""The dataflow pipeline, block by block."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from etb_hw.dataflow.block import Caption
from etb_hw.dataflow.blocks import BLOCKS
from etb_hw.report.network import Stage
from etb_hw.report.run import Run
from etb_hw.report.section import Section, figure, legend
from etb_hw.report.svg.pipeline import Row
from etb_hw.report.svg.pipeline import pipeline as draw

INTRO = (
    "All blocks work at the same time, each on its part of the frames that stream through. An MVAU with PE × "
    "SIMD multiplies so many one-bit weights a cycle; the slowest block sets the frame rate, so a good "
    "folding makes all others just as slow, and small."
)
# by FINN's op type without its backend
CAPTIONS = {block.OP.rsplit("_", 1)[0]: block.CAPTION for block in BLOCKS}


def pipeline(run: Run) -> Section:
    """The drawing."""
    key, title = "pipeline", "The pipeline, block by block"
    if not run.stages:
        return Section(key, title, INTRO, None, "mapping writes dataflow.onnx: etb-hw build MODEL.onnx")
    picture = pipeline_picture(run.stages)
    seen = {caption_of(stage).colour for stage in run.stages}
    names = [
        ("mvau", "matrix-vector unit"),
        ("window", "window, padding"),
        ("pool", "pool, select"),
        ("threshold", "thresholds"),
        ("join", "duplicate, add"),
        ("plumbing", "FIFO, width converter"),
    ]
    caption = "Bars: cycles as a share of the slowest block; LUT and BRAM as shares of the most costly one."
    if run.plumbing:
        lut = sum(found.get("LUT", 0.0) for found in run.plumbing.values())
        caption += f" Not drawn: {len(run.plumbing)} width converters and FIFOs between them, {lut:,.0f} LUT."
    if run.folding is not None:
        gap = run.folding.objective_lut_equivalents / max(1.0, run.folding.bound_lut_equivalents) - 1
        caption += (
            " The folding is proved optimal."
            if run.folding.optimal
            else f" The folding is within {gap:.1%} of the best possible."
        )
    if run.rtl is not None and run.rtl.initiation_interval is not None:
        caption += (
            f" In RTL simulation ({run.rtl.simulator}, {run.rtl.frames} frames) a frame took "
            f"{run.rtl.initiation_interval:,} cycles; estimated were {run.rtl.estimated_interval:,}."
        )
    return Section(
        key, title, INTRO, legend(*(entry for entry in names if entry[0] in seen)) + figure(picture, caption)
    )


def pipeline_picture(stages: Sequence[Stage]) -> Markup:
    """The blocks from top to bottom."""
    return draw("Dataflow pipeline", rows(stages))


def caption_of(stage: Stage) -> Caption:
    """How a stage is drawn; a foreign op by its own name."""
    return CAPTIONS.get(stage.op.rsplit("_", 1)[0], Caption(stage.op, "plumbing"))


def rows(stages: Sequence[Stage]) -> list[Row]:
    """What the drawing needs of every stage."""
    slowest = max((stage.cycles or 0.0 for stage in stages), default=0.0)
    most = {
        name: max((s.resources.get(name, 0.0) for s in stages), default=0.0) for name in ("LUT", "BRAM_18K")
    }

    def cost(stage: Stage, name: str) -> tuple[float, float]:
        value = stage.resources.get(name, 0.0)
        return (value / most[name] if most[name] else 0.0, value)

    found = []
    for stage in stages:
        drawn = caption_of(stage)
        title = drawn.title
        shape = "×".join(str(size) for size in stage.shape)
        if stage.matrix:
            title += f" {stage.matrix[1]:,} → {stage.matrix[0]:,}"
        found.append(
            Row(
                title=title,
                detail=" · ".join(part for part in (stage.name, shape, stage.dtype.lower()) if part),
                class_=drawn.colour,
                sources=stage.sources,
                pe=stage.fold.get("PE", 0),
                simd=stage.fold.get("SIMD", 0),
                cycles=stage.cycles,
                busy=(stage.cycles or 0.0) / slowest if slowest else 0.0,
                lut=cost(stage, "LUT"),
                bram=cost(stage, "BRAM_18K"),
                small=drawn.small,
            )
        )
    return found
