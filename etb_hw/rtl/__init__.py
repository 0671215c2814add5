"""SystemVerilog out of a dataflow graph, simulated with Verilator and synthesised with Yosys."""

from etb_hw.rtl.generator import generate, write
from etb_hw.rtl.simulate import RtlRun, first_difference, simulate
from etb_hw.rtl.yosys import SynthReport, synth

__all__ = ["RtlRun", "SynthReport", "first_difference", "generate", "simulate", "synth", "write"]
