"""The dataflow pipeline, block by block."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from etb_hw.dataflow.block import Caption
from etb_hw.dataflow.blocks import BLOCKS
from etb_hw.report.estimates import error_band
from etb_hw.report.network import Stage
from etb_hw.report.run import Run
from etb_hw.report.section import Column, Section, at_both_widths, figure, legend, table
from etb_hw.report.svg.pipeline import Row
from etb_hw.report.svg.pipeline import pipeline as draw
from etb_hw.report.svg.pipeline import pipeline_narrow as draw_narrow

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
    stages = run.stages
    picture = at_both_widths(lambda narrow: pipeline_picture(stages, narrow))
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
        if (bound := run.folding.rate_bound) is not None:
            caption += f" What binds the rate: {bound['reason']}. To lift it: {bound['remedy']}."
    if run.rtl is not None and run.rtl.initiation_interval is not None:
        caption += (
            f" In RTL simulation ({run.rtl.simulator}, {run.rtl.frames} frames) a frame took "
            f"{run.rtl.initiation_interval:,} cycles; estimated were {run.rtl.estimated_interval:,}."
        )
    if run.summary is not None:
        band = error_band(run.summary.resource_model)
        caption += f" Resources: {run.summary.resource_model}" + (f", {band}." if band else ".")
    entries = legend(*(entry for entry in names if entry[0] in seen))
    return Section(key, title, INTRO, entries + figure(picture, caption) + _layers(run))


def pipeline_picture(stages: Sequence[Stage], narrow: bool = False) -> Markup:
    """The blocks from top to bottom."""
    return (draw_narrow if narrow else draw)("Dataflow pipeline", rows(stages))


def _layers(run: Run) -> Markup:
    """A row a layer, by the user's name, with the blocks that it became."""
    layers: dict[str, list[Stage]] = {}
    for stage in run.stages or ():
        layers.setdefault(stage.layer or stage.name, []).append(stage)
    cells: list[tuple[str, ...]] = []
    for layer, stages in layers.items():
        folded = next((s for s in stages if s.matrix), stages[0])
        fold = " × ".join(str(folded.fold[key]) for key in ("PE", "SIMD") if key in folded.fold)
        fold = ", ".join(part for part in (fold, _pixels(folded)) if part)
        cells.append(
            (
                layer,
                ", ".join(stage.name for stage in stages),
                fold,
                f"{max(stage.cycles or 0.0 for stage in stages):,.0f}",
                *(f"{sum(s.resources.get(name, 0.0) for s in stages):,.0f}" for name in ("LUT", "BRAM_18K")),
            )
        )
    columns = [
        Column("layer of your model"),
        Column("blocks, by FINN's names"),
        *(Column(name, True) for name in ("PE × SIMD", "cycles", "LUT", "BRAM 18k")),
    ]
    return Markup("<h3>Your layers and their blocks</h3>{}").format(table(columns, cells, "tight"))


def _pixels(stage: Stage) -> str:
    """How many pixels a beat has, where that is more than one."""
    return f"{stage.fold['M']} pixels at once" if "M" in stage.fold else ""


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
                detail=" · ".join(
                    part for part in (stage.name, shape, stage.dtype.lower(), _pixels(stage)) if part
                ),
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
