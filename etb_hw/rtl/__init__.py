"""SystemVerilog out of a dataflow graph, simulated with Verilator and synthesised with Yosys."""
