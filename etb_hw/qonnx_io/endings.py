"""What may stand behind the logits: functions that rise and leave the order of the classes as it is."""

from __future__ import annotations

import copy
from collections import Counter

import onnx

from etb_hw.qonnx_io.call import Call
from etb_hw.qonnx_io.ops.shapes import onnx_shape
from etb_hw.qonnx_io.value import Value

ELEMENTWISE = ("Sigmoid",)
RISING = ("Softmax", "LogSoftmax", *ELEMENTWISE)


def without_ending(model: onnx.ModelProto) -> tuple[onnx.ModelProto, tuple[onnx.NodeProto, ...]]:
    """The network up to its logits, and the nodes that were left out: each needs ``check_ending``.

    A Softmax, LogSoftmax or Sigmoid is left out where only the output, or the arg-max in front of it, reads
    it, also quantized by standard ONNX' pair of ops: the winning class is that of the logits. Hardware sends
    logits; who needs probabilities applies the function to them. Returns the same model where nothing ends
    so.
    """
    graph = model.graph
    found = [node for node in graph.node if node.op_type in RISING and _at_the_end(graph, node)]
    if not found:
        return model, ()
    cut = copy.deepcopy(model)
    for node in found:
        for each in reversed((node, *_quantized(graph, node))):
            remove(cut.graph, each.output[0], each.input[0])
    return cut, tuple(found)


def note(node: onnx.NodeProto) -> str:
    """What a user should know of a node that is left out."""
    name = f"{node.op_type} {node.name or node.output[0]!r}"
    return f"{name} is left out: the hardware sends the logits in front of it"


def check_ending(call: Call) -> None:
    """Raise UnsupportedNode where a node cannot be left out behind its input, which is known by now.

    A Softmax keeps the order of what it normalises, and only of that: over the width of an image, another
    class may win in each pixel. So it has to run over the classes and nothing else. Up to operator set 12 it
    runs over all axes from the given one on.
    """
    value = call.inputs[0]
    if not isinstance(value, Value):
        call.fail("does not stand behind logits", "leave it out, or let it read the logits")
    if call.node.op_type in ELEMENTWISE:
        return
    sizes = onnx_shape(call, value)
    rank = len(sizes)
    axis = call.attr("axis", 1 if call.opset < 13 else -1)
    if not isinstance(axis, int) or not -rank <= axis < rank:
        call.fail(f"has axis {axis!r} of {rank}", "export the network again")
    axis %= rank
    classes = 1 + value.axes.index(0) if 0 in value.axes else None
    among = range(axis, rank) if call.opset < 13 else (axis,)
    if axis == 0 or classes not in among or any(sizes[other] != 1 for other in among if other != classes):
        over = f"axis {axis}" if len(among) == 1 else f"all axes from {axis} on"
        remedy = "leave it out: hardware sends logits"
        if classes is not None:
            remedy = f"let it run over axis {classes} (nn.Softmax(dim={classes})), or {remedy}"
        call.fail(f"normalises over {over}, not that of the classes alone", remedy)


def _at_the_end(graph: onnx.GraphProto, node: onnx.NodeProto) -> bool:
    outputs = {output.name for output in graph.output}
    read = Counter(name for other in graph.node for name in other.input)
    if len(node.input) != 1 or len(node.output) != 1 or node.input[0] in outputs:
        return False
    last = [node, *_quantized(graph, node)][-1].output[0]
    if last in outputs:
        return not read[last]
    readers = [other for other in graph.node if last in other.input]
    return (
        len(readers) == 1
        and readers[0].op_type in ("ArgMax", "TopK")
        and not any(read[name] for name in readers[0].output)
    )


def _quantized(graph: onnx.GraphProto, node: onnx.NodeProto) -> list[onnx.NodeProto]:
    """The QuantizeLinear and DequantizeLinear right behind a node, which nothing else reads."""
    found: list[onnx.NodeProto] = []
    kept = {output.name for output in graph.output}
    for op in ("QuantizeLinear", "DequantizeLinear"):
        name = [node, *found][-1].output[0]
        readers = [other for other in graph.node if name in other.input]
        if len(readers) != 1 or readers[0].op_type != op or name in kept or readers[0].input[0] != name:
            return []
        found += readers
    return found


def remove(graph: onnx.GraphProto, output: str, source: str) -> None:
    """Leave out the node between two tensors of one shape."""
    index = next(i for i, node in enumerate(graph.node) if output in node.output)
    del graph.node[index]
    for declared in graph.output:
        if declared.name == output:
            declared.name = source
            for info in [info for info in graph.value_info if info.name == source]:
                graph.value_info.remove(info)
    for node in graph.node:
        for i, name in enumerate(node.input):
            if name == output:
                node.input[i] = source
