"""A design as an ONNX graph in FINN's hardware vocabulary, as it stands after ``step_specialize_layers``.

Width converters and FIFOs are left out: FINN inserts its own in ``step_set_fifo_depths``, from the folding
and from the FIFO depths that the nodes carry.
"""

from __future__ import annotations

import json

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

from etb_hw import __version__
from etb_hw.dataflow.block import Block
from etb_hw.dataflow.finn.matches import with_explicit_sums
from etb_hw.dataflow.finn.reports import fifo_depths
from etb_hw.dataflow.graph import DataflowGraph, Port
from etb_hw.dataflow.refold import strip
from etb_hw.dataflow.stream import Stream
from etb_hw.dataflow.vocabulary import stream_type

_OPSET = 13


def to_onnx(graph: DataflowGraph) -> ModelProto:
    """The ONNX model. Tensors are float32 containers in NHWC; their integer types are annotations.

    After FINN's XNOR conversion a bipolar tensor is BINARY (0 is -1) and a sum of bipolar products is a
    number of matches, which explicit nodes turn into our sums (see ``matches``).
    """
    graph = with_explicit_sums(strip(graph))
    tensors = _tensor_names(graph)
    nodes, initializers, types = [], [], {}
    for block in graph.blocks:
        given, node = block.finn_node(), block.name
        inputs = [tensors["in", Port(node, i)] for i in range(len(block.inputs))]
        outputs = [tensors["out", Port(node, i)] for i in range(len(block.outputs))]
        for suffix, values, dtype in given.initializers:
            name = f"{node}_{suffix}"
            initializers.append(numpy_helper.from_array(np.ascontiguousarray(values, np.float32), name))
            inputs.append(name)
            types[name] = dtype.name
        attributes = {**given.attributes, **fifo_depths(graph, block)}
        made = helper.make_node(given.op_type, inputs, outputs, name=node, domain=given.domain)
        made.attribute.extend(helper.make_attribute(key, _plain(value)) for key, value in attributes.items())
        made.attribute.extend(helper.make_attribute(key, value) for key, value in _own(block).items())
        nodes.append(made)
    shapes: dict[str, Stream] = {}
    for block in graph.blocks:
        for i, stream in enumerate(block.inputs):
            shapes.setdefault(tensors["in", Port(block.name, i)], stream)
    for block in graph.blocks:
        for i, stream in enumerate(block.outputs):
            name = tensors["out", Port(block.name, i)]
            shapes[name] = stream
            types[name] = block.finn_output(i).name
    types[tensors["in", graph.input_port]] = stream_type(graph.input_stream.dtype).name
    infos = {
        name: helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, *stream.shape))
        for name, stream in shapes.items()
    }
    source, result = tensors["in", graph.input_port], tensors["out", graph.output_port]
    made_graph = helper.make_graph(
        nodes,
        "dataflow",
        [infos[source]],
        [infos[result]],
        initializers,
        value_info=[info for name, info in infos.items() if name not in (source, result)],
    )
    for name, kind in sorted(types.items()):
        note = made_graph.quantization_annotation.add(tensor_name=name)
        note.quant_parameter_tensor_names.add(key="finn_datatype", value=kind)
    domains = sorted({node.domain for node in nodes})
    model = helper.make_model(
        made_graph,
        producer_name="etb_hw",
        producer_version=__version__,
        opset_imports=[helper.make_opsetid("", _OPSET), *(helper.make_opsetid(d, 1) for d in domains)],
    )
    model.ir_version = 8
    helper.set_model_props(model, _metadata(graph))
    return model


def _metadata(graph: DataflowGraph) -> dict[str, str]:
    steps = [
        {"op": step.op, "shape": step.constant.shape, "values": step.constant.astype(float).ravel().tolist()}
        for step in graph.dequant.links
    ]
    return {
        "etb_hw.version": __version__,
        "etb_hw.clk_ns": repr(graph.clk_ns),
        "etb_hw.dequant": json.dumps(steps),
    }


def _own(block: Block) -> dict[str, object]:
    """What our reader needs beside FINN's attributes."""
    return {
        "etb_layer": block.layer,
        "etb_inputs": [stream.dtype.name for stream in block.inputs],
        "etb_outputs": [stream.dtype.name for stream in block.outputs],
        **block.finn_notes,
    }


def _tensor_names(graph: DataflowGraph) -> dict[tuple[str, Port], str]:
    names: dict[tuple[str, Port], str] = {}
    for block in graph.blocks:
        for i in range(len(block.outputs)):
            names["out", Port(block.name, i)] = f"{block.name}_out{i}"
    names["out", graph.output_port] = "global_out"
    for block in graph.blocks:
        for i in range(len(block.inputs)):
            port = Port(block.name, i)
            edge = graph.driver.get(port)
            names["in", port] = "global_in" if edge is None else names["out", edge.source]
    return names


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
