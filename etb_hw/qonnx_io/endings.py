"""What may stand behind the logits: functions that rise and leave the order of the classes as it is."""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import onnx

from etb_hw.qonnx_io.call import Call
from etb_hw.qonnx_io.node_label import node_label
from etb_hw.qonnx_io.ops.shapes import onnx_shape
from etb_hw.qonnx_io.value import Value

ELEMENTWISE = ("Sigmoid", "Tanh")
RISING = ("Softmax", "LogSoftmax", *ELEMENTWISE)
_SCALING = ("Mul", "Add", "Sub", "Div")


@dataclass(frozen=True, eq=False)
class Ending:
    """A function behind the logits, and what quantizes or scales its values behind it."""

    function: onnx.NodeProto
    behind: tuple[onnx.NodeProto, ...] = ()

    @property
    def note(self) -> str:
        """What a user should know of it."""
        function, *others = (node_label(node) for node in (self.function, *self.behind))
        also = f", with {', '.join(others)} behind it" if others else ""
        return f"{function} is left out{also}: the hardware sends the logits in front of it"


def without_ending(model: onnx.ModelProto) -> tuple[onnx.ModelProto, tuple[Ending, ...]]:
    """The network up to its logits, and what was left out: each function needs ``check_ending``.

    A Softmax, LogSoftmax, Sigmoid or Tanh is left out where only the output, or the arg-max in front of it,
    reads it, also quantized by standard ONNX' pair of ops: the winning class is that of the logits. Hardware
    sends logits; who needs probabilities applies the function to them. Sigmoid and Tanh are left out together
    with numbers that scale their values for the output, as pixels from 0 to 255. Returns the same model where
    nothing ends so.
    """
    graph = model.graph
    ends = (_at_the_end(graph, node) for node in graph.node if node.op_type in RISING)
    found = [ending for ending in ends if ending is not None]
    if not found:
        return model, ()
    cut = copy.deepcopy(model)
    for ending in found:
        for node, source in reversed([*_with_sources(ending)]):
            remove(cut.graph, node.output[0], source)
    return cut, tuple(found)


def _with_sources(ending: Ending) -> Iterator[tuple[onnx.NodeProto, str]]:
    """Each node, and the tensor of values that it reads."""
    source = ending.function.input[0]
    for node in (ending.function, *ending.behind):
        yield node, source
        source = node.output[0]


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


def _at_the_end(graph: onnx.GraphProto, node: onnx.NodeProto) -> Ending | None:
    outputs = {output.name for output in graph.output}
    read = Counter(name for other in graph.node for name in other.input)
    if len(node.input) != 1 or len(node.output) != 1 or node.input[0] in outputs:
        return None
    # a quantizer behind a Tanh makes thresholds of it, which hardware has
    quantized = [] if node.op_type == "Tanh" else _quantized(graph, node)
    last = [node, *quantized][-1].output[0]
    if last in outputs:
        return None if read[last] else Ending(node, tuple(quantized))
    readers = [other for other in graph.node if last in other.input]
    if (
        len(readers) == 1
        and readers[0].op_type in ("ArgMax", "TopK")
        and not any(read[name] for name in readers[0].output)
    ):
        return Ending(node, tuple(quantized))
    scaled = _scaled(graph, node) if node.op_type in ELEMENTWISE else []
    return Ending(node, tuple(scaled)) if scaled and scaled[-1].output[0] in outputs else None


def _scaled(graph: onnx.GraphProto, node: onnx.NodeProto) -> list[onnx.NodeProto]:
    """The nodes behind one that multiply by single numbers, or add some, and that nothing else reads."""
    found: list[onnx.NodeProto] = []
    numbers = _single_numbers(graph)
    kept = {output.name for output in graph.output}
    while (name := [node, *found][-1].output[0]) not in kept:
        readers = [other for other in graph.node if name in other.input]
        if len(readers) != 1 or readers[0].op_type not in _SCALING or not readers[0].output:
            break
        if [other for other in readers[0].input if other != name and other not in numbers]:
            break
        if list(readers[0].input).count(name) != 1 or readers[0] in found:
            break
        found += readers
    return found


def _single_numbers(graph: onnx.GraphProto) -> set[str]:
    """Constants of one element, of no more axes than any output has."""
    found = {t.name for t in graph.initializer if math.prod(t.dims) == 1 and len(t.dims) <= 2}
    for node in graph.node:
        if node.op_type == "Constant" and node.output:
            for attribute in node.attribute:
                dims = attribute.t.dims
                tensor = attribute.name == "value" and math.prod(dims) == 1 and len(dims) <= 2
                if tensor or attribute.name in ("value_float", "value_int"):
                    found.add(node.output[0])
    return found


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
