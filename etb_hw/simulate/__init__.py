"""Bit-accurate simulation of a model over a whole data set, and a look at single layers."""

from etb_hw.simulate.report import Agreement, Difference, SimulationReport
from etb_hw.simulate.run import Engine, simulate
from etb_hw.simulate.trace import trace_layer, up_to

__all__ = ["Agreement", "Difference", "Engine", "SimulationReport", "simulate", "trace_layer", "up_to"]
