"""The variant of a QONNX file that FINN's converters take: borders as the convs' ``pads`` attribute.

FINN computes such a border on a bipolar tensor as -1 (its XNOR arithmetic has no zero), while every other
tool computes 0. The values of this file are therefore right in FINN from its streamlining on, and only
there; ``model.qonnx.onnx`` is right everywhere. Both say so in their metadata.
"""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import onnx

from etb_hw.errors import UnsupportedNode
from etb_hw.files import write_bytes
from etb_hw.qonnx_io.metadata import FINN, stamp
from etb_hw.qonnx_io.model_file import read_model, to_array


def export_finn(model: Path | str | onnx.ModelProto, path: Path | str) -> None:
    """Write ``model.finn.onnx`` from a universal QONNX file. Raises UnsupportedNode, before writing."""
    write_bytes(Path(path), finn_model(model).SerializeToString())


def finn_model(model: Path | str | onnx.ModelProto) -> onnx.ModelProto:
    """Pad nodes in front of convolutions become their ``pads`` attribute."""
    model = copy.deepcopy(model) if isinstance(model, onnx.ModelProto) else read_model(model)
    graph = model.graph
    constants = {t.name: t for t in graph.initializer}
    for pad in [n for n in graph.node if n.op_type == "Pad"]:
        readers = [n for n in graph.node if pad.output[0] in n.input]
        amounts = to_array(constants[pad.input[1]]).reshape(-1) if pad.input[1] in constants else np.zeros(0)
        border = [int(v) for v in amounts]
        if (
            [n.op_type for n in readers] != ["Conv"]
            or len(border) != 8
            or any(border[i] for i in (0, 1, 4, 5))
        ):
            raise UnsupportedNode(
                f"node {pad.name!r} (Pad)",
                "is not the border of exactly one convolution",
                "FINN takes padding only as a convolution's pads",
            )
        conv = readers[0]
        conv.input[0] = pad.input[0]
        own = next((a for a in conv.attribute if a.name == "pads"), None)
        before = list(own.ints) if own is not None else [0, 0, 0, 0]
        after = [a + b for a, b in zip(before, (border[2], border[3], border[6], border[7]), strict=True)]
        if own is not None:
            conv.attribute.remove(own)
        conv.attribute.append(onnx.helper.make_attribute("pads", after))
        graph.node.remove(pad)
    used = {name for node in graph.node for name in node.input}
    for tensor in [t for t in graph.initializer if t.name not in used]:
        graph.initializer.remove(tensor)
    known = used | {name for node in graph.node for name in node.output}
    for info in [i for i in graph.value_info if i.name not in known]:
        graph.value_info.remove(info)
    _name_a_quant(graph)
    stamp(model, FINN, "a conv's pads attribute on a bipolar tensor pads with -1, as FINN computes it")
    return model


def _name_a_quant(graph: onnx.GraphProto) -> None:
    """Write one weight quantizer as a one-bit Quant, which is the same function.

    FINN versions before finn-plus convert quantizers only where they find an op named Quant, BinaryQuant or
    Trunc: a network of nothing but BipolarQuant passes that step unconverted and fails much later.
    """
    constants = {t.name for t in graph.initializer}
    if any(n.op_type == "Quant" for n in graph.node):
        return
    for index, node in enumerate(graph.node):
        if node.op_type == "BipolarQuant" and node.input[0] in constants:
            for name, value in (("etb_zero_point", 0.0), ("etb_one_bit", 1.0)):
                graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(value, np.float32), name))
            quant = onnx.helper.make_node(
                "Quant",
                [node.input[0], node.input[1], "etb_zero_point", "etb_one_bit"],
                list(node.output),
                name=node.name,
                domain=node.domain,
                signed=1,
                narrow=1,
                rounding_mode="ROUND",
            )
            graph.node.remove(node)
            graph.node.insert(index, quant)
            return
