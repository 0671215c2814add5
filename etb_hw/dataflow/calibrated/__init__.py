"""Resource estimates fitted to synthesis of our own RTL, beside FINN's formulas."""

from etb_hw.dataflow.calibrated.model import CalibratedModel, load_calibration

__all__ = ["CalibratedModel", "load_calibration"]
