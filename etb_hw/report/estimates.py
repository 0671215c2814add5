"""How far estimates of resources may be off, in words."""

from __future__ import annotations

from etb_hw.dataflow.calibrated import CALIBRATED, load_calibration


def error_band(resource_model: str, kind: str = "all") -> str | None:
    """The error of LUT estimates on synthesised blocks that the fit had not seen.

    Args:
        resource_model: a model's full name, as reports keep it.
        kind: of block, or ``all``.

    Returns:
        None for FINN's formulas, which come with no such figures, and for a fit of another version.
    """
    for family in CALIBRATED:
        model = load_calibration(family)
        if model.name == resource_model and kind in model.held_out:
            lut = model.held_out[kind]["lut"]
            return f"half of the blocks within ±{lut['median']:.0%}, nine in ten within ±{lut['p90']:.0%}"
    return None
