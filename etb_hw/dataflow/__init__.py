"""The dataflow graph: how the network is built from FINN-compatible hardware blocks."""
