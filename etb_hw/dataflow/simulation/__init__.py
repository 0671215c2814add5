"""Cycle-level simulation of the streams: initiation interval, latency, stalls and FIFO depths, in seconds."""

from etb_hw.dataflow.simulation.fifo_sizing import FifoSizing, size_fifos
from etb_hw.dataflow.simulation.simulate import Activity, StreamReport, simulate_streams

__all__ = ["Activity", "FifoSizing", "StreamReport", "simulate_streams", "size_fifos"]
