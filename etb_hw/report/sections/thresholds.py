"""The integer thresholds that activations and BatchNorms have become."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from etb_hw.report.network import LayerThresholds
from etb_hw.report.run import Run
from etb_hw.report.section import Section, at_both_widths, figure
from etb_hw.report.svg.strips import Strip, strip_chart

INTRO = (
    "In hardware a whole BatchNorm and activation is one comparison: is the sum at least this integer? Each "
    "strip shows where a layer's thresholds lie, relative to the largest sum its inputs allow."
)
BINS = 61
SPANS = (0.05, 0.1, 0.2, 0.3, 0.5)  # of the largest sum: how far the strips reach


def thresholds(run: Run) -> Section:
    """A strip a layer."""
    key, title = "thresholds", "Thresholds in the hardware"
    if not run.thresholds:
        missing = "streamlining writes streamlined.onnx: etb-hw streamline MODEL.onnx"
        return Section(key, title, INTRO, None, missing)
    farthest = max(_share(layer) for layer in run.thresholds)
    span = next((share for share in SPANS if share >= farthest), 1.0)
    strips = [_strip(layer, span) for layer in run.thresholds]
    edge = "largest sum" if span == 1 else f"{span:.0%} of the largest sum"
    picture = at_both_widths(
        lambda narrow: strip_chart(
            "Integer thresholds a layer", strips, left=f"− {edge}", right=f"+ {edge}", narrow=narrow
        )
    )
    return Section(key, title, INTRO, figure(picture, "Stronger where more channels have their threshold."))


def _limit(layer: LayerThresholds) -> float:
    return float(layer.bound or max(1.0, float(np.abs(layer.values).max(initial=1.0))))


def _within(layer: LayerThresholds) -> NDArray[np.float64]:
    """Thresholds that sums can reach; channels with others are constant."""
    values = layer.values.reshape(-1)
    return values[np.abs(values) <= _limit(layer)]


def _share(layer: LayerThresholds) -> float:
    """How far from zero the farthest threshold lies, as a share of the largest sum."""
    return float(np.abs(_within(layer)).max(initial=0.0)) / _limit(layer)


def _strip(layer: LayerThresholds, span: float) -> Strip:
    within = _within(layer)
    counts, _ = np.histogram(within / _limit(layer), bins=BINS, range=(-span, span))
    fixed = layer.values.size - within.size
    note = f"{layer.values.shape[0]:,} channels"
    if within.size:
        note += f", {within.min():,.0f} to {within.max():,.0f}".replace("-", "−")
    if fixed:
        note += f", {fixed} constant"
    return Strip(layer.name, [int(count) for count in counts], note)
