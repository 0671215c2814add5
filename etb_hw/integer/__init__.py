"""The integer graph: *what* is computed, in integers only, with executors that prove each other."""

from etb_hw.integer.chain import Chain
from etb_hw.integer.datatype import BIPOLAR, DataType
from etb_hw.integer.graph import IntegerGraph
from etb_hw.integer.nodes import (
    Add,
    ChannelAffine,
    Concat,
    Conv,
    Dense,
    DepthToSpace,
    Flatten,
    Input,
    MaxPool,
    Node,
    SelectChannels,
    SumPool,
    TensorType,
    Threshold,
    Upsample,
)

__all__ = [
    "BIPOLAR",
    "Add",
    "Chain",
    "ChannelAffine",
    "Concat",
    "Conv",
    "DataType",
    "Dense",
    "DepthToSpace",
    "Flatten",
    "Input",
    "IntegerGraph",
    "MaxPool",
    "Node",
    "SelectChannels",
    "SumPool",
    "TensorType",
    "Threshold",
    "Upsample",
]
