"""The dataflow graph: how the network is built from FINN-compatible hardware blocks."""

from etb_hw.dataflow import finn
from etb_hw.dataflow.block import Block
from etb_hw.dataflow.comparison import compare
from etb_hw.dataflow.devices import Device, devices, find_device
from etb_hw.dataflow.folding import Effort, Folding, Target, Weights, fold, good_counts, pareto, set_folding
from etb_hw.dataflow.graph import DataflowGraph, Edge, Port
from etb_hw.dataflow.lower import lower
from etb_hw.dataflow.refold import refold, strip
from etb_hw.dataflow.resource_model import ResourceModel, finn_model
from etb_hw.dataflow.resources import Resources
from etb_hw.dataflow.stream import Stream

__all__ = [
    "Block",
    "DataflowGraph",
    "Device",
    "Edge",
    "Effort",
    "Folding",
    "Port",
    "ResourceModel",
    "Resources",
    "Stream",
    "Target",
    "Weights",
    "compare",
    "devices",
    "find_device",
    "finn",
    "finn_model",
    "fold",
    "good_counts",
    "lower",
    "pareto",
    "refold",
    "set_folding",
    "strip",
]
