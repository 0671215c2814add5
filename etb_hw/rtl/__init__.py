"""SystemVerilog out of a dataflow graph, simulated with Verilator and synthesised with Yosys."""

from etb_hw.rtl.cells import Usage
from etb_hw.rtl.generator import generate, write
from etb_hw.rtl.simulation import Difference, RtlRun, first_difference, simulate
from etb_hw.rtl.verilator import SimulationError
from etb_hw.rtl.yosys import SynthesisError, SynthReport, SynthRow, synth, synth_block

__all__ = [
    "Difference",
    "RtlRun",
    "SimulationError",
    "SynthReport",
    "SynthRow",
    "SynthesisError",
    "Usage",
    "first_difference",
    "generate",
    "simulate",
    "synth",
    "synth_block",
    "write",
]
