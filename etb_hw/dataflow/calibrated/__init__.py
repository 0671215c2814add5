"""Resource estimates fitted to synthesis of our own RTL, beside FINN's formulas."""

from etb_hw.dataflow.calibrated.model import CALIBRATED, CalibratedModel, load_calibration, model_of

__all__ = ["CALIBRATED", "CalibratedModel", "load_calibration", "model_of"]
