"""The resource models that can be asked for by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from etb_hw.dataflow.calibrated import load_calibration
from etb_hw.dataflow.resource_model import ResourceModel, finn_model

MODELS: Mapping[str, Callable[[str], ResourceModel]] = {
    "finn": lambda _: finn_model,
    "calibrated": load_calibration,
}


DEFAULT_FAMILY = "xc7"  # where no device is named


def resource_model(name: str, family: str = DEFAULT_FAMILY) -> ResourceModel:
    """FINN's formulas (``finn``), or the fit to synthesis of our own RTL for a family (``calibrated``).

    Raises BadInput for a family that the fit knows nothing of.
    """
    return MODELS[name](family)
