"""Streamlining as interpretation: one walk over a QONNX graph gives the integer graph.

Every tensor is an integer core and the float32 chain seen since. Quantizers turn both into thresholds by
evaluation, pools commute with rising chains, products pass one common scale on; what remains at the end
turns the integer result into the network's float output.

Products are exact integers here and their scale is applied once, in float32. A float executor that adds up
scaled products rounds each of them instead, so that with scales other than powers of two a sum within
rounding error of a threshold may fall on either side there; here it never depends on the order of additions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path

import numpy as np
import onnx

from etb_hw.errors import BadInput, UnsupportedNode, one_line
from etb_hw.integer import Chain, ChannelAffine, DataType, Input, IntegerGraph
from etb_hw.integer.graph import Source
from etb_hw.qonnx_io.affine import as_affine, then
from etb_hw.qonnx_io.attributes import check_attributes
from etb_hw.qonnx_io.builder import GraphBuilder
from etb_hw.qonnx_io.call import Call
from etb_hw.qonnx_io.clipped import merged_clips
from etb_hw.qonnx_io.endings import Ending, check_ending, without_ending
from etb_hw.qonnx_io.four_bits import in_eight_bits
from etb_hw.qonnx_io.input_types import MOVES as VALUE_MOVES
from etb_hw.qonnx_io.input_types import check_readers, declared_integers
from etb_hw.qonnx_io.layer_names import layer_name
from etb_hw.qonnx_io.metadata import FINN, KIND
from etb_hw.qonnx_io.model_file import (
    CHANNELS_LAST,
    DOMAINS,
    MAPPED,
    check_model,
    network_input,
    read_model,
    tensor_annotations,
    to_array,
)
from etb_hw.qonnx_io.node_label import node_label
from etb_hw.qonnx_io.ops import HANDLERS
from etb_hw.qonnx_io.ops.channels_last import channels_last
from etb_hw.qonnx_io.ops.constants import constant
from etb_hw.qonnx_io.ops.qdq import input_of
from etb_hw.qonnx_io.options import ImportOptions
from etb_hw.qonnx_io.small_constants import FLOAT_OPS, evaluate
from etb_hw.qonnx_io.unread import without_unread
from etb_hw.qonnx_io.value import IMAGE, NO_AXIS, SIGNAL, Best, Const, Grouped, Tensor, Value

_MALFORMED = (IndexError, ValueError, TypeError, OverflowError, MemoryError)
QUANTIZERS = ("Quant", "IntQuant", "BipolarQuant", "QuantizeLinear")
MOVES = (*VALUE_MOVES, "Dropout", "Cast")  # of floats, in front of the quantizer that makes integers of them
BEFORE_LAYERS = (*QUANTIZERS, "DequantizeLinear", "Cast", "Mul", "Div", "Sub", "Add", "Unsqueeze")
WIDEST_INPUT = 16  # bits
WIDTHS = f"inputs of 1 to {WIDEST_INPUT} bits are supported"
CURVED = ("tanh", "sigmoid")
MAX_ELEMENTS = 1 << 26  # of one activation tensor; a guard against absurd shapes


def import_model(model: Path | str | onnx.ModelProto, options: ImportOptions | None = None) -> IntegerGraph:
    """The integer graph that computes what the QONNX graph computes.

    Args:
        model: a file, or a model in memory.
        options: how integers map to the graph's input.

    Raises:
        BadInput: no usable ONNX file, broken or NaN values, shapes that do not fit.
        UnsupportedNode: a node without an exact integer form; names node, op, reason and remedy.
    """
    options = options or ImportOptions()
    if isinstance(model, onnx.ModelProto):
        check_model(model, "the model")
    else:
        model = read_model(model)
    model, notes = without_unread(in_eight_bits(model))
    model, left_out = without_ending(merged_clips(model))
    return _Interpreter(model, options, left_out, notes).run()


class _Interpreter:
    def __init__(
        self,
        model: onnx.ModelProto,
        options: ImportOptions,
        left_out: tuple[Ending, ...],
        notes: tuple[str, ...],
    ) -> None:
        self.model, self.graph, self.options = model, model.graph, options
        self.left_out, self.notes = left_out, notes
        self.builder = GraphBuilder(_bipolar_pads(model, options))
        self.opset = _operator_set(model)
        self.datatypes = tensor_annotations(model)
        self.initializers = {t.name: t for t in self.graph.initializer}
        self.tensors: dict[str, Tensor] = {}
        self.source = Source()
        self.batch = 1
        self.uses = Counter(name for node in self.graph.node for name in node.input)
        self.uses.update(o.name for o in self.graph.output)

    def run(self) -> IntegerGraph:
        order = self._sorted(network_input(self.graph).name)  # a broken graph is no fault of its input
        self._input()
        for node in order:
            if node.op_type in NORMS:  # exporters wrap some in other ops, which would be blamed
                Call(node, [], self.builder, self.opset).fail(
                    "has no exact integer form here", _remedy(node.op_type)
                )
        for node in order:
            self._step(node)
        for node in (ending.function for ending in self.left_out):
            check_ending(Call(node, [self._tensor(node.input[0])], self.builder, self.opset))
        return self._output()

    def _step(self, node: onnx.NodeProto) -> None:
        if not node.output:
            raise BadInput(node_label(node), "has no output", "export the network again")
        self.builder.layer = layer_name(node)
        inputs = [self._tensor(i) for i in node.input]
        call = Call(node, inputs, self.builder, self.opset, self.batch)
        handler = HANDLERS.get(node.op_type) or (_fold if node.op_type in FLOAT_OPS else None)
        if node.domain.startswith(MAPPED):
            reason = f"{node.op_type} is a block of hardware: this is a design, mapped already"
            call.fail(
                reason, "give the QONNX file that it was built from, or this one to rtl, synth or package"
            )
        if node.domain not in DOMAINS:
            known = next((instead for ops, instead in INSTEAD.items() if node.op_type in ops), "")
            call.fail(f"domain {node.domain!r} is not supported", known or _of_domain(node))
        if handler is None:
            call.fail("has no exact integer form here", _remedy(node.op_type))
        if any(a.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS) for a in node.attribute):
            call.fail("contains a sub-graph", "export a plain feed-forward graph")
        try:
            check_attributes(call)
            result = channels_last(call, handler) if node.domain == CHANNELS_LAST else handler(call)
        except BadInput as error:
            if error.where in self.builder.nodes or error.where == self.builder.adding:
                raise BadInput(call.label, error.reason, error.remedy) from None
            raise
        except _MALFORMED as error:
            # inputs missing, attributes of a wrong type, shapes that do not broadcast: numpy notices them all
            reason = one_line(error)
            raise BadInput(call.label, f"is malformed ({reason})", "export the network again") from error
        self._put(node, call, result)

    def _put(self, node: onnx.NodeProto, call: Call, results: Tensor | tuple[Tensor | None, ...]) -> None:
        if not isinstance(results, tuple):
            results = (results,) * len(node.output)
        for output, result in zip(node.output, results, strict=False):
            if not output:
                continue
            if output in self.tensors:
                raise BadInput(call.label, f"writes {output!r} a second time", "export the network again")
            if result is not None:
                self.tensors[output] = self._checked(node, call, result)
            elif self.uses[output]:
                call.fail(f"its output {output!r} is used and has no integer form", "use another output")

    def _checked(self, node: onnx.NodeProto, call: Call, result: Tensor) -> Tensor:
        if isinstance(result, Value):
            shape = self.builder.types[result.core].shape
            if int(np.prod(shape, dtype=object)) > MAX_ELEMENTS:
                call.fail(f"gives a tensor of shape {shape}", "tensors of this size are not supported")
            source = next((t for t in call.inputs if isinstance(t, Value)), None)
            steps, known = result.chain.links, () if source is None else source.chain.links
            if len(known) <= len(steps) and all(a is b for a, b in zip(steps, known, strict=False)):
                steps = steps[len(known) :]  # the others were looked at before
            if not all(np.isfinite(step.constant).all() for step in steps):
                call.fail("its constants overflow float32", "check the scales in front of it")
            if sum(self.uses[o] for o in node.output) > 1 or (
                source is not None and source.shared and source.core == result.core
            ):
                result = replace(result, shared=True)
        return result

    def _tensor(self, name: str) -> Tensor | None:
        if not name:
            return None
        if name not in self.tensors and name in self.initializers:
            array = to_array(self.initializers[name])
            self.tensors[name] = Const(array, dtype=self._annotated(name))
        found = self.tensors.get(name)
        if found is None:
            raise BadInput(f"tensor {name!r}", "is read but never written", "export the network again")
        return found

    def _annotated(self, name: str) -> DataType | None:
        try:
            return DataType.parse(self.datatypes[name])
        except (KeyError, BadInput):
            return None

    def _input(self) -> None:
        info = network_input(self.graph)
        sizes = tuple(d.dim_value for d in info.type.tensor_type.shape.dim)
        self.batch, shape = max((1, *sizes[:1])), sizes[1:]
        if len(shape) not in (1, 2, 3) or min(shape) < 1 or int(np.prod(shape, dtype=object)) > MAX_ELEMENTS:
            raise BadInput(
                f"input {info.name!r}",
                f"has shape {(0, *shape)}" if shape else "has no shape",
                "give it a fixed shape: (batch, channels, height, width) or (batch, channels, length), "
                "also with the channels last, or (batch, features)",
            )
        given = shape if len(shape) < 3 else None  # of flat ones, a Reshape may make images
        last = len(shape) > 1 and self._takes_channels_last(info.name)
        if last:
            shape = (shape[-1], *shape[:-1])
        whole = (shape[0], 1, shape[1]) if len(shape) == 2 else shape
        declared = declared_integers(info)
        check_readers(self.graph, info)
        dtype, chain = self._input_type(info.name, declared)
        self.source = Source(chain, given, last)
        core = self.builder.add(Input, "input", shape=whole, dtype=dtype)
        axes = (IMAGE, SIGNAL, (0,))[3 - len(shape)]
        axes = (*axes[1:], axes[0]) if last else axes
        for step in chain.links:
            if step.constant.ndim and step.constant.size != shape[0]:
                raise BadInput(
                    "the input mapping", f"has {step.constant.size} values for {shape[0]} channels",
                    "give one number, or one a channel",
                )  # fmt: skip
        shared = self.uses[info.name] > 1
        self.tensors[info.name] = Value(core, chain, axes, shared=shared, whole=declared is not None)

    @cached_property
    def _all_readers(self) -> dict[str, list[onnx.NodeProto]]:
        found: dict[str, list[onnx.NodeProto]] = {}
        for node in self.graph.node:
            for name in dict.fromkeys(node.input):
                found.setdefault(name, []).append(node)
        return found

    def _readers(self, name: str) -> list[onnx.NodeProto]:
        return self._all_readers.get(name, [])

    def _takes_channels_last(self, name: str) -> bool:
        """Whether the first layer says that the input's last axis holds the channels."""
        seen: set[str] = set()
        while name not in seen:  # a broken file may turn in circles
            seen.add(name)
            for node in self._readers(name):
                if node.op_type in BEFORE_LAYERS and node.output:
                    name = node.output[0]
                    break
                perm = next((list(a.ints) for a in node.attribute if a.name == "perm"), [])
                moved = node.op_type == "Transpose" and perm == [0, len(perm) - 1, *range(1, len(perm) - 1)]
                multiplied = node.op_type == "MatMul" and node.input[0] == name  # over the last axis
                if node.domain == CHANNELS_LAST or (moved and len(perm) > 2) or multiplied:
                    return True
        return False

    def _input_type(self, name: str, declared: DataType | None) -> tuple[DataType, Chain]:
        """By option, else by annotation, else by declaration, else by the quantizer that reads the input.

        Args:
            declared: the integers that the file declares it to hold, where it does not declare floats.
        """
        chain = self.options.chain
        dtype = self.options.input_dtype or self._annotated(name) or declared
        if dtype is None:
            quantizer = self._first_quantizer(name)
            if quantizer is not None:
                return self._quantized_input(quantizer, chain)
            raise BadInput(
                f"input {name!r}",
                "has no data type",
                "say what it holds, for example --input-dtype uint8 --input-scale 1/255",
            )
        if declared is not None and not (declared.min <= dtype.min and dtype.max <= declared.max):
            raise BadInput(
                f"input {name!r}",
                f"is declared {declared.name.lower()}, which does not hold {dtype.name}",
                f"say --input-dtype {declared.name.lower()}, or narrower integers",
            )
        if declared is not None and chain.links:
            raise BadInput(
                "the input mapping",
                f"makes fractions for input {name!r}, which is declared {declared.name.lower()}",
                "leave out --input-scale, --input-mean and --input-std: the network reads the integers",
            )
        if dtype.bits > WIDEST_INPUT:
            raise BadInput(f"input {name!r}", f"is {dtype.name}", WIDTHS)
        return dtype, chain

    def _first_quantizer(self, name: str) -> onnx.NodeProto | None:
        """The quantizer that alone reads the input, at most behind ops that move its values."""
        for _ in self.graph.node:  # no more moves than nodes: a broken file may turn in circles
            readers = self._readers(name)
            if len(readers) != 1 or not readers[0].output:
                return None
            if readers[0].op_type in QUANTIZERS:
                return readers[0]
            if readers[0].op_type not in MOVES or readers[0].input[0] != name:
                return None
            name = readers[0].output[0]
        return None

    def _quantized_input(self, node: onnx.NodeProto, chain: Chain) -> tuple[DataType, Chain]:
        """The integers behind the first quantizer are the input."""
        call = Call(node, [None, *(self._constant(i) for i in node.input[1:])], self.builder, self.opset)
        scale = call.const(1).value
        shifted = node.op_type in ("Quant", "IntQuant") and call.scalar(2) != 0
        if scale.size != 1 or chain.links or shifted:
            call.fail("cannot define the input's integers", "give --input-dtype and --input-scale")
        if node.op_type == "QuantizeLinear":
            dtype, meaning = input_of(call)
            if dtype.bits > WIDEST_INPUT:
                call.fail(f"quantizes the input to {dtype.bits} bits", WIDTHS)
            return dtype, meaning
        if node.op_type == "BipolarQuant":
            dtype = DataType.parse("BIPOLAR")
        else:
            bits, signed = int(call.scalar(3)), bool(call.attr("signed", 1))
            if not 1 <= bits <= WIDEST_INPUT:
                call.fail(f"quantizes the input to {bits} bits", WIDTHS)
            one_bit = DataType.parse("BIPOLAR") if signed else DataType.unsigned(1)
            wide = DataType.integer(bits) if signed else DataType.unsigned(bits)
            dtype = one_bit if bits == 1 else wide
        return dtype, then(Chain(), "mul", scale.reshape(()))

    def _constant(self, name: str) -> Tensor | None:
        """A constant that may come from a Constant node not yet walked."""
        for node in self.graph.node:
            if name in node.output and node.op_type == "Constant":
                return constant(Call(node, [], self.builder, self.opset))
        return self._tensor(name)

    def _sorted(self, start: str) -> list[onnx.NodeProto]:
        """Nodes in topological order (Kahn), whatever the file's order is."""
        known = {start, "", *self.initializers}
        waiting = list(self.graph.node)
        producers = {o: i for i, n in enumerate(waiting) for o in n.output}
        missing = [len({i for i in n.input if i not in known}) for n in waiting]
        readers: dict[str, list[int]] = {}
        for index, node in enumerate(waiting):
            for name in {i for i in node.input if i not in known}:
                if name not in producers:
                    raise BadInput(
                        node_label(node), f"reads {name!r}, which nothing writes",
                        "export the network again; of x + x or cat([x, x]), qonnx's cleanup loses one x: "
                        "give the file as it was before",
                    )  # fmt: skip
                readers.setdefault(name, []).append(index)
        ready = [i for i, count in enumerate(missing) if count == 0][::-1]
        order = []
        while ready:
            node = waiting[ready.pop()]
            order.append(node)
            freed = []
            for name in node.output:
                for reader in readers.pop(name, ()):
                    missing[reader] -= 1
                    if missing[reader] == 0:
                        freed.append(reader)
            ready = sorted([*ready, *freed], reverse=True)
        if len(order) != len(waiting):
            raise BadInput("the graph", "has a cycle", "only feed-forward networks have a dataflow form")
        return order

    def _output(self) -> IntegerGraph:
        results = [self.tensors.get(o.name) for o in self.graph.output]
        result = results[0]
        where = f"output {self.graph.output[0].name!r}"
        if any(r is not result for r in results):
            raise BadInput(
                "the graph",
                "has several outputs",
                "join them along the channels (torch.cat, Concat), or leave one",
            )
        if result is None or isinstance(result, Const):
            raise BadInput(where, "does not depend on the input", "check the graph's wiring")
        if isinstance(result, Grouped):
            raise UnsupportedNode(where, "holds channels in groups", "end the graph in logits")
        top = result.count if isinstance(result, Best) else 0
        value = result.value if isinstance(result, Best) else result
        named = [a for a in value.axes if a != NO_AXIS]
        last_axis = [*sorted(a for a in named if a), 0]  # (N, H, W, C), as Keras has it
        channels_last = len(named) > 1 and named == last_axis
        if value.order is not None or any(value.pads) or (named != sorted(named) and not channels_last):
            raise UnsupportedNode(
                where, "is transposed or padded", "give (N, C, H, W), (N, H, W, C) or logits (N, C)"
            )
        last = self._last()
        if value.chain.start is not None:
            last.fail(
                "is a sum of tensors of different scales",
                "end the network in a layer, or give the branches of the sum one scale: one quantizer",
            )
        if any(step.op in CURVED for step in value.chain.links):
            last.fail(
                "ends the network behind a Tanh or Sigmoid, whose last bit differs between executors",
                "end it in the Tanh or Sigmoid, which is left out then, or put a quantizer behind it",
            )
        value = _whole_classes(self.builder, value)
        notes = (*self.notes, *(ending.note for ending in self.left_out))
        return self.builder.finish(value.core, value.chain, top, self.source, notes, channels_last)

    def _last(self) -> Call:
        """The node that the network ends in."""
        name = self.graph.output[0].name
        last = next((node for node in self.graph.node if name in node.output), onnx.NodeProto(output=[name]))
        return Call(last, [], self.builder, self.opset)


def _whole_classes(builder: GraphBuilder, value: Value) -> Value:
    """Scores a class with factors of their own become integers, where float32 holds them exactly.

    So that the largest integer is the winning class: y = (m x + a) * 2**-k.
    """
    affine = as_affine(value.chain)
    if affine is None or affine.uniform or (affine.scale.ndim == 0 and not affine.offset.any()):
        return value
    x = builder.types[value.core]
    scale, offset = (np.broadcast_to(v, (x.channels,)) for v in (affine.scale, affine.offset))
    for k in range(-16, 25):
        m, a = scale * 2.0**k, offset * 2.0**k
        if (m == np.rint(m)).all() and (a == np.rint(a)).all():
            break
    else:
        return value
    reach = np.abs(m) * np.maximum(np.abs(x.low), np.abs(x.high)) + np.abs(a)
    if not (reach < 2**24).all():  # also where a product has overflowed to NaN
        return value
    core = builder.add(ChannelAffine, "affine", (value.core,), mul=m.astype(np.int64), add=a.astype(np.int64))
    return replace(value, core=core, chain=then(Chain(), "mul", 2.0**-k))


def _fold(call: Call) -> Tensor:
    """An op that has a form only between constants, such as the square root of a variance."""
    if not all(isinstance(t, Const) for t in call.inputs):
        call.fail("has no exact integer form here", _remedy(call.node.op_type))
    return Const(evaluate(call.node, [call.const(i).value for i in range(len(call.inputs))], call.opset))


def _operator_set(model: onnx.ModelProto) -> int:
    """The version of ONNX' own operators. Raises BadInput where the file names none that there is."""
    standard = ("", "ai.onnx")
    versions = [o.version for o in model.opset_import if o.domain in standard]
    newest = onnx.defs.onnx_opset_version()
    if versions and not 1 <= max(versions) <= newest:
        reason = f"says it is of operator set {max(versions)}, and there are 1 to {newest}"
        raise BadInput("the model", reason, "export the network again, with opset_version=17")
    if not versions and any(node.domain in standard for node in model.graph.node):
        raise BadInput("the model", "does not say of which operator set it is", "export the network again")
    return max(versions, default=newest)


def _bipolar_pads(model: onnx.ModelProto, options: ImportOptions) -> int:
    if options.bipolar_pads is not None:
        return options.bipolar_pads
    kind = next((p.value for p in model.metadata_props if p.key == KIND), "")
    return -1 if kind == FINN else 0


NORMS = ("LayerNormalization", "InstanceNormalization", "GroupNormalization", "LpNormalization")
QUANTIZER = "put a quantizer (QuantReLU, QuantIdentity) in its place: any monotone function folds into one"
INSTEAD: Mapping[tuple[str, ...], str] = {
    ("Softmax",): "put it at the end of the network, or remove it: arg-max of the logits is the same class",
    ("LogSoftmax",): "put it at the end of the network, or remove it",
    ("Elu", "Selu", "Celu", "Softplus", "Softsign", "HardSigmoid", "HardTanh", "Erf"): QUANTIZER,
    ("Gelu", "HardSwish", "Mish", "Swish"): "use ReLU, PReLU or a quantizer: it is not monotone",
    NORMS: "use BatchNorm: statistics of the input cannot become constants",
    ("QLinearConv", "QLinearMatMul", "QGemm", "ConvInteger", "MatMulInteger", "DynamicQuantizeLinear"): (
        "export with quantizers of their own: Quant nodes (brevitas.export.export_qonnx), or pairs of "
        "QuantizeLinear and DequantizeLinear (onnxruntime's QuantFormat.QDQ)"
    ),
    ("LpPool",): "use a pool over all pixels (nn.AdaptiveMaxPool2d(1), nn.AdaptiveAvgPool2d(1))",
    ("LSTM", "GRU", "RNN", "Loop", "Scan", "If"): "use a feed-forward network: Conv over the sequence",
    ("Einsum", "Attention", "MultiHeadAttention"): "use Conv or Linear with constant weights",
    ("GatherElements", "GatherND"): "let the layers read the whole tensor",
    ("Equal", "And", "Or", "Xor"): "compare by Greater or Less, or use a quantizer",
    ("Abs", "Cos", "Sin"): "use ReLU, PReLU or a quantizer: it is not monotone",
    ("Exp", "Log", "Sqrt"): QUANTIZER,
}


def _of_domain(node: onnx.NodeProto) -> str:
    if node.domain == "com.microsoft" and node.op_type in HANDLERS:
        return "write the standard op: quantize_static without UseQDQContribOps, to int8"
    return f"use {' or '.join(DOMAINS[2:])}"


def _remedy(op: str) -> str:
    """What to write instead; the whole list of ops helps nobody who reads it in a terminal."""
    for ops, instead in INSTEAD.items():
        if op in ops:
            return instead
    near = get_close_matches(op, HANDLERS, n=1, cutoff=0.75)
    meant = f"{near[0]} is known; " if near else ""
    return f"{meant}docs/how-to/own-network.md, 'Bring your own QONNX', lists what is supported"
