"""Lowering: from what is computed (the integer graph) to how it is built (blocks and streams).

One walk in topological order, behind the ``passes``. A convolution becomes padding, sliding window and MVAU;
a threshold that is its only reader joins it. A tensor that several nodes read gets a DuplicateStreams.
Flattening is free on a stream: the next matrix takes its columns in (y, x, channel) order.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etb_hw.config import Builder
from etb_hw.dataflow.block import Block
from etb_hw.dataflow.blocks.add_streams import AddStreams
from etb_hw.dataflow.blocks.border_mvau import BorderMvau
from etb_hw.dataflow.blocks.channelwise import Channelwise
from etb_hw.dataflow.blocks.concat import Concat
from etb_hw.dataflow.blocks.depth_to_space import DepthToSpace
from etb_hw.dataflow.blocks.duplicate_streams import DuplicateStreams
from etb_hw.dataflow.blocks.label_select import LabelSelect
from etb_hw.dataflow.blocks.max_pool import MaxPool
from etb_hw.dataflow.blocks.mvau import Mvau
from etb_hw.dataflow.blocks.padding import Padding
from etb_hw.dataflow.blocks.select_channels import SelectChannels
from etb_hw.dataflow.blocks.sliding_window import SlidingWindow, is_bypass
from etb_hw.dataflow.blocks.sum_pool import SumPool
from etb_hw.dataflow.blocks.thresholding import Thresholding
from etb_hw.dataflow.blocks.upsample import Upsample, WholeUpsample
from etb_hw.dataflow.blocks.window_pool import WindowPool
from etb_hw.dataflow.graph import DataflowGraph, Edge, Port
from etb_hw.dataflow.passes import PASSES
from etb_hw.dataflow.passes.early_thresholds import EARLY
from etb_hw.dataflow.passes.zero_borders import TERNARY
from etb_hw.dataflow.stream import Stream
from etb_hw.errors import BadInput, UnsupportedNode
from etb_hw.integer import nodes as g
from etb_hw.integer.datatype import BIPOLAR, DataType
from etb_hw.integer.graph import IntegerGraph


def lower(
    graph: IntegerGraph,
    *,
    clk_ns: float = 10.0,
    label_select: bool = False,
    builder: Builder = "etb_hw",
    writable: bool = False,
) -> DataflowGraph:
    """The fully folded design (PE = SIMD = 1) of a network.

    Args:
        clk_ns: clock period in nanoseconds.
        label_select: end in the index of the largest logit instead of the logits.
        builder: whose blocks to use. Signs that are padded with 0 keep one bit a value here, where a matrix
            unit counts border taps for nothing; FINN knows no such unit, and gets two bits a value.
            finn-plus has no pool but that of windows.
        writable: weights and thresholds can be written at run time. Streams and sums are as wide as shapes
            and types alone allow, so that networks of the same shape lower to the same blocks.

    Returns:
        A design whose ``execute`` on NHWC frames equals ``integer.reference.execute`` (NCHW) bit for bit.

    Raises:
        UnsupportedNode: for a node that has no hardware form, with a remedy.
        BadInput: there is no layer at all.
    """
    if writable:
        graph = replace(graph, any_weights=True)
    for change in PASSES:
        graph = change(graph, builder)
    work = _Builder(graph, builder)
    for node in graph.nodes:
        work.lower(node)
    if not work.blocks:
        raise BadInput(
            "the network", "has no layers: its output is its input, scaled at most",
            "give one with a layer (Conv, MatMul) or a quantizer",
        )  # fmt: skip
    made = work.finish(clk_ns, label_select)
    return replace(made, blocks=tuple(block.loadable() for block in made.blocks)) if writable else made


@dataclass(frozen=True, eq=False)
class _Tensor:
    """Where a tensor comes from (None: the design's input), as a stream, and which way its channels lie.

    ``order[i]`` is the integer graph's channel that sits at hardware channel i; None for the identity.
    """

    source: Port | None
    shape: tuple[int, ...]  # NHWC without N
    dtype: DataType
    order: NDArray[np.int64] | None = None


@dataclass
class _Builder:
    graph: IntegerGraph
    builder: Builder
    blocks: list[Block] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    numbers: Counter[str] = field(default_factory=Counter)
    free: dict[str, list[_Tensor]] = field(default_factory=dict)  # copies of a tensor not read yet
    fused: set[str] = field(default_factory=set)

    def lower(self, node: g.Node) -> None:
        if node.name in self.fused:
            return
        inputs = [self._take(name) for name in node.inputs]
        match node:
            case g.Input():
                shape = (*node.shape[1:], node.shape[0])
                self._yield(node.name, node.name, _Tensor(None, shape, node.dtype))
            case g.Conv():
                self._conv(node, inputs[0])
            case g.Dense():
                x = inputs[0]
                weights = np.asarray(node.weights)
                if x.order is not None:
                    weights = weights[:, x.order]
                self._matrix(node, node.weight_dtype, weights, x)
            case g.Threshold():
                self._threshold(node, inputs[0])
            case g.MaxPool():
                self._max_pool(node, inputs[0])
            case g.SumPool():
                x = inputs[0]
                made = self._block(
                    SumPool,
                    node,
                    [x],
                    size=x.shape[:2],
                    channels=x.shape[2],
                    dtype=x.dtype,
                    output_dtype=self.graph.types[node.name].dtype,
                )
                self._yield(node.name, node.name, made)
            case g.Upsample():
                self._upsample(node, inputs[0])
            case g.DepthToSpace():
                self._to_space(node, inputs[0])
            case g.Add():
                self._add(node, inputs)
            case g.Concat():
                self._concat(node, inputs)
            case g.SelectChannels():
                self._select(node, inputs[0])
            case g.ChannelAffine():
                self._affine(node, inputs[0])
            case g.Flatten():
                self._flatten(node, inputs[0])
            case _:
                raise UnsupportedNode(
                    node.name, f"{type(node).__name__} has no hardware block", "use a supported layer"
                )

    def finish(self, clk_ns: float, label_select: bool) -> DataflowGraph:
        result = self._take(self.graph.output)
        if result.order is not None:
            raise UnsupportedNode(
                self.graph.output,
                "the network ends in a flattened image",
                "end it in a dense layer or a pool",
            )
        if label_select:
            values = int(np.prod(result.shape))
            self._block(
                LabelSelect, self.graph[self.graph.output], [result], labels=values, dtype=result.dtype
            )
        return DataflowGraph(tuple(self.blocks), tuple(self.edges), self.graph.dequant, clk_ns)

    def _take(self, name: str) -> _Tensor:
        return self.free[name].pop(0)

    def _yield(self, name: str, layer: str, tensor: _Tensor) -> None:
        """Publish a tensor under the name that readers use, as many times as it is read."""
        readers = sum(node.inputs.count(name) for node in self.graph.nodes) + (name == self.graph.output)
        if readers <= 1:
            self.free[name] = [tensor]
            return
        node = self.graph[layer]
        copy = self._block(
            DuplicateStreams, node, [tensor], shape=tensor.shape, dtype=tensor.dtype, copies=readers
        )
        assert copy.source is not None
        self.free[name] = [
            replace(copy, source=Port(copy.source.block, i), order=tensor.order) for i in range(readers)
        ]

    def _block(self, kind: type[Block], node: g.Node, inputs: list[_Tensor], **parameters: Any) -> _Tensor:
        """Add a block that reads ``inputs``; its first output as a tensor."""
        number = self.numbers[kind.OP]
        self.numbers[kind.OP] += 1
        block = kind(name=f"{kind.OP}_{number}", layer=node.name.removesuffix(EARLY), **parameters)
        self.blocks.append(block)
        for i, tensor in enumerate(inputs):
            if tensor.source is not None:
                self.edges.append(Edge(tensor.source, Port(block.name, i)))
        stream: Stream = block.outputs[0]
        return _Tensor(Port(block.name), stream.shape, stream.dtype)

    def _fusible(self, node: g.Node) -> g.Threshold | None:
        """The threshold that is the only reader of a node."""
        readers = self.graph.consumers(node.name)
        if len(readers) == 1 and isinstance(readers[0], g.Threshold) and self.graph.output != node.name:
            return readers[0]
        return None

    def _matrix(
        self,
        node: g.Node,
        weight_dtype: DataType,
        weights: g.Ints,
        x: _Tensor,
        kind: type[Mvau] = Mvau,
        **border: Any,
    ) -> None:
        if weight_dtype.bits < 8:
            weights = weights.astype(np.int8)  # a search holds several forms of every matrix
        threshold = self._fusible(node)
        dtype = self.graph.types[node.name].dtype if threshold is None else threshold.dtype
        made = self._block(
            kind,
            node,
            [x],
            weights=weights,
            weight_dtype=weight_dtype,
            input_dtype=x.dtype,
            output_dtype=dtype,
            thresholds=None if threshold is None else threshold.thresholds,
            pixels=x.shape[:-1],
            **border,
        )
        if threshold is not None:
            self.fused.add(threshold.name)
        self._yield(node.name if threshold is None else threshold.name, node.name, made)

    def _conv(self, node: g.Conv, x: _Tensor) -> None:
        outputs, _, kernel_h, kernel_w = node.weights.shape
        kernel = (int(kernel_h), int(kernel_w))
        filters, weight_dtype = np.asarray(node.weights), node.weight_dtype
        if node.groups != 1:
            # one dense matrix with zeros between the groups: exact, though its zeros cost multipliers
            filters = _ungrouped(filters, node.groups)
            low, high = int(filters.min()), int(filters.max())
            if self.graph.any_weights:
                low, high = weight_dtype.min, weight_dtype.max
            weight_dtype = DataType.smallest(min(-1, low), high)
        border: dict[str, Any] = {}
        value = node.pad_value
        if any(node.pads) and value == 0 and x.dtype == BIPOLAR:
            border = {
                "kind": BorderMvau,
                "size": x.shape[:2],
                "kernel": kernel,
                "stride": node.stride,
                "dilation": node.dilation,
                "pads": node.pads,
            }
            value = BIPOLAR.min  # whatever it is, it counts for nothing
        x = self._pad(node, x, node.pads, value)
        if not is_bypass(kernel, node.stride):
            x = self._block(
                SlidingWindow,
                node,
                [x],
                size=x.shape[:2],
                channels=x.shape[2],
                kernel=kernel,
                dtype=x.dtype,
                stride=node.stride,
                dilation=node.dilation,
            )
        # (O, I, KH, KW) to columns in stream order
        weights = filters.transpose(0, 2, 3, 1).reshape(outputs, -1)
        self._matrix(node, weight_dtype, weights, x, **border)

    def _pad(self, node: g.Node, x: _Tensor, pads: g.Pads, value: int) -> _Tensor:
        if not any(pads):
            return x
        if not _holds(x.dtype, value):
            raise UnsupportedNode(
                node.name,
                f"pads with {value}, which a stream of {x.dtype.name} cannot carry",
                "pad with a value of the quantizer in front, or with 0 behind a sign",
            )
        return self._block(
            Padding, node, [x], size=x.shape[:2], channels=x.shape[2], pads=pads, value=value, dtype=x.dtype
        )

    def _threshold(self, node: g.Threshold, x: _Tensor) -> None:
        thresholds = node.thresholds if x.order is None else node.thresholds[x.order]
        made = self._block(
            Thresholding,
            node,
            [x],
            thresholds=thresholds,
            input_dtype=x.dtype,
            output_dtype=node.dtype,
            pixels=x.shape[:-1],
        )
        self._yield(node.name, node.name, replace(made, order=x.order))

    def _max_pool(self, node: g.MaxPool, x: _Tensor) -> None:
        x = self._pad(node, x, node.pads, x.dtype.min)  # the lowest value never wins
        size, channels = x.shape[:2], x.shape[2]
        tiles = all(extent % kernel == 0 for extent, kernel in zip(size, node.kernel, strict=True))
        if node.kernel == node.stride and tiles and self.builder != "finn-plus":
            made = self._block(
                MaxPool, node, [x], size=size, channels=channels, kernel=node.kernel, dtype=x.dtype
            )
        else:
            windows = self._block(
                SlidingWindow,
                node,
                [x],
                size=size,
                channels=channels,
                kernel=node.kernel,
                dtype=x.dtype,
                stride=node.stride,
                depthwise=True,
            )
            made = self._block(
                WindowPool,
                node,
                [windows],
                size=windows.shape[:2],
                channels=channels,
                kernel=node.kernel,
                dtype=x.dtype,
            )
        self._yield(node.name, node.name, made)

    def _upsample(self, node: g.Upsample, x: _Tensor) -> None:
        ours = self.builder == "etb_hw"
        made = self._block(
            Upsample if ours else WholeUpsample, node, [x], size=x.shape[:2], channels=x.shape[2],
            factors=node.factors, dtype=x.dtype, simd=1 if ours else x.shape[2],
        )  # fmt: skip
        self._yield(node.name, node.name, made)

    def _to_space(self, node: g.DepthToSpace, x: _Tensor) -> None:
        if self.builder != "etb_hw":
            remedy = "use nn.Upsample and a convolution, or build it with our RTL"
            raise UnsupportedNode(f"layer {node.name}", "makes pixels of channels, which FINN cannot", remedy)
        made = self._block(
            DepthToSpace, node, [x], size=x.shape[:2], channels=x.shape[2] // node.block**2,
            block=node.block, dtype=x.dtype,
        )  # fmt: skip
        self._yield(node.name, node.name, made)

    def _add(self, node: g.Add, inputs: list[_Tensor]) -> None:
        a, b = inputs
        assert (a.order is None) == (b.order is None), "both sides of a sum are flattened or neither is"
        made = self._block(
            AddStreams,
            node,
            inputs,
            shape=a.shape,
            dtypes=(a.dtype, b.dtype),
            output_dtype=self.graph.types[node.name].dtype,
        )
        self._yield(node.name, node.name, replace(made, order=a.order))

    def _concat(self, node: g.Concat, inputs: list[_Tensor]) -> None:
        """Two at a time; bits become numbers where they meet numbers."""
        if len({x.dtype for x in inputs}) > 1:
            inputs = [self._widened(node, x) if x.dtype == BIPOLAR else x for x in inputs]
        made = inputs[0]
        last = len(inputs) - 1
        for i, other in enumerate(inputs[1:], start=1):
            orders, counts = (made.order, other.order), (made.shape[-1], other.shape[-1])
            first, second = (np.arange(n) if o is None else o for o, n in zip(orders, counts, strict=True))
            order = None if made.order is other.order is None else np.concatenate([first, counts[0] + second])
            dtype = self.graph.types[node.name].dtype if i == last else _common(made.dtype, other.dtype)
            joined = self._block(
                Concat,
                node,
                [made, other],
                channels=counts,
                dtypes=(made.dtype, other.dtype),
                output_dtype=dtype,
                pixels=made.shape[:-1],
            )
            made = replace(joined, order=order)
        self._yield(node.name, node.name, made)

    def _widened(self, node: g.Node, x: _Tensor) -> _Tensor:
        """A bipolar stream as one of {-1, 0, +1}."""
        made = self._block(
            Thresholding,
            node,
            [x],
            thresholds=np.zeros((x.shape[-1], 2), dtype=np.int64),
            input_dtype=x.dtype,
            output_dtype=TERNARY,
            pixels=x.shape[:-1],
        )
        return replace(made, order=x.order)

    def _select(self, node: g.SelectChannels, x: _Tensor) -> None:
        if self.builder != "etb_hw":
            reason = "picks channels, for which no node of FINN is written"
            remedy = "let the layers read all channels, or build it with our RTL"
            raise UnsupportedNode(f"layer {node.name}", reason, remedy)
        # of a flattened image they lie elsewhere
        places = np.arange(x.shape[-1]) if x.order is None else np.argsort(x.order)
        chosen = tuple(int(place) for place in places[node.channels])
        self._yield(
            node.name,
            node.name,
            self._block(SelectChannels, node, [x], shape=x.shape, chosen=chosen, dtype=x.dtype),
        )

    def _affine(self, node: g.ChannelAffine, x: _Tensor) -> None:
        order = np.arange(x.shape[-1]) if x.order is None else x.order
        mul, add = node.mul[order], node.add[order]
        kind = self.graph.types[node.name].dtype
        added = bool(add.any()) or self.graph.any_weights  # what is written may be something
        made = x
        if (mul != 1).any():
            ends = np.stack([mul * x.dtype.min, mul * x.dtype.max])
            product = kind if not added else DataType.smallest(int(ends.min()), int(ends.max()))
            made = self._block(
                Channelwise,
                node,
                [made],
                func="mul",
                parameters=mul,
                input_dtype=x.dtype,
                output_dtype=product,
                pixels=x.shape[:-1],
            )
        if added:
            made = self._block(
                Channelwise,
                node,
                [made],
                func="add",
                parameters=add,
                input_dtype=made.dtype,
                output_dtype=kind,
                pixels=x.shape[:-1],
            )
        self._yield(node.name, node.name, replace(made, order=x.order))

    def _flatten(self, node: g.Flatten, x: _Tensor) -> None:
        if len(x.shape) == 1:
            self._yield(node.name, node.name, x)
            return
        height, width, channels = x.shape
        order = None
        if height * width > 1:
            planes = np.arange(x.shape[0] * x.shape[1] * x.shape[2]).reshape(channels, height, width)
            order = planes.transpose(1, 2, 0).reshape(-1)
        self._yield(node.name, node.name, _Tensor(x.source, (height * width * channels,), x.dtype, order))


def _ungrouped(weights: g.Ints, groups: int) -> g.Ints:
    """(O, I/groups, KH, KW) to (O, I, KH, KW), zero where a filter does not look."""
    outputs, inputs, *kernel = weights.shape
    dense = np.zeros((outputs, inputs * groups, *kernel), dtype=weights.dtype)
    rows = outputs // groups
    for i in range(groups):
        part = slice(i * rows, (i + 1) * rows)
        dense[part, i * inputs : (i + 1) * inputs] = weights[part]
    return dense


def _common(a: DataType, b: DataType) -> DataType:
    return a if a == b else DataType.smallest(min(a.min, b.min), max(a.max, b.max))


def _holds(dtype: DataType, value: int) -> bool:
    return dtype.min <= value <= dtype.max and (value - dtype.min) % dtype.step == 0
