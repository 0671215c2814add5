"""The resource models that can be asked for by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from etb_hw.dataflow.calibrated import load_calibration
from etb_hw.dataflow.resources import ResourceModel, finn_model

MODELS: Mapping[str, Callable[[], ResourceModel]] = {
    "finn": lambda: finn_model,
    "calibrated": load_calibration,
}


def resource_model(name: str) -> ResourceModel:
    """FINN's formulas (``finn``), or the fit to synthesis of our own RTL (``calibrated``)."""
    return MODELS[name]()
