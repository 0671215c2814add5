"""Weights that a file keeps in four bits, as onnxruntime's QInt4 does: the same integers in eight.

numpy, and with it qonnx's executor, has no type of four bits.
"""

from __future__ import annotations

import copy

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from etb_hw.qonnx_io.model_file import decoded

_WIDER = {TensorProto.INT4: np.int8, TensorProto.UINT4: np.uint8}


def in_eight_bits(model: onnx.ModelProto) -> onnx.ModelProto:
    """The network with each of these that only DequantizeLinear reads, which gives the same of both types.

    Others stay: a QuantizeLinear saturates at its zero point's type. Returns the same model where there are
    none.
    """
    graph = model.graph
    kept = {name for node in graph.node if node.op_type != "DequantizeLinear" for name in node.input}
    kept |= {output.name for output in graph.output}
    found = [i for i, t in enumerate(graph.initializer) if t.data_type in _WIDER and t.name not in kept]
    if not found:
        return model
    made = copy.deepcopy(model)
    for i in found:
        tensor = made.graph.initializer[i]
        wider = decoded(tensor).astype(_WIDER[tensor.data_type])
        tensor.CopyFrom(numpy_helper.from_array(wider, tensor.name))
        for info in (*made.graph.value_info, *made.graph.input):
            if info.name == tensor.name:
                info.type.tensor_type.elem_type = tensor.data_type
    return made
