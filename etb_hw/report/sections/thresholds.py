"""The integer thresholds that activations and BatchNorms have become."""

from __future__ import annotations

import numpy as np

from etb_hw.report.network import LayerThresholds
from etb_hw.report.run import Run
from etb_hw.report.section import Section, figure
from etb_hw.report.svg.strips import Strip, strip_chart

INTRO = (
    "In hardware a whole BatchNorm and activation is one comparison: is the sum at least this integer? Each "
    "strip shows where a layer's thresholds lie, relative to the largest sum its inputs allow."
)
BINS = 61


def thresholds(run: Run) -> Section:
    """A strip a layer."""
    key, title = "thresholds", "Thresholds in the hardware"
    if not run.thresholds:
        missing = "streamlining writes streamlined.onnx: etb-hw streamline MODEL.onnx"
        return Section(key, title, INTRO, None, missing)
    strips = [_strip(layer) for layer in run.thresholds]
    picture = strip_chart("Integer thresholds a layer", strips, left="− largest sum", right="+ largest sum")
    return Section(key, title, INTRO, figure(picture, "Darker where more channels have their threshold."))


def _strip(layer: LayerThresholds) -> Strip:
    values = layer.values.reshape(-1)
    limit = float(layer.bound or max(1.0, float(np.abs(values).max(initial=1.0))))
    within = values[np.abs(values) <= limit]
    counts, _ = np.histogram(within / limit, bins=BINS, range=(-1.0, 1.0))
    fixed = values.size - within.size
    note = f"{layer.values.shape[0]:,} channels"
    if within.size:
        note += f", {within.min():,.0f} to {within.max():,.0f}"
    if fixed:
        note += f", {fixed} constant"
    return Strip(layer.name, [int(count) for count in counts], note)
