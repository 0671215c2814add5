"""Random-weight integer graphs of the topologies that the benchmarks and tests talk about."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from etb_hw.dataflow import DataflowGraph, refold
from etb_hw.dataflow.block import Fold
from etb_hw.integer import (
    BIPOLAR,
    Add,
    Concat,
    Conv,
    DataType,
    Dense,
    Flatten,
    Input,
    IntegerGraph,
    MaxPool,
    Node,
    SumPool,
    Threshold,
)

UINT8 = DataType.unsigned(8)
POOL = "pool"


class NetworkBuilder:
    """Appends layers; each method returns the new tensor's name."""

    def __init__(self, shape: tuple[int, ...], seed: int = 0, dtype: DataType = UINT8) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[Node] = [Input(name="input", shape=shape, dtype=dtype)]
        self.channels = {"input": shape[0]}
        self.dtypes = {"input": dtype}

    def _add(self, node: Node, channels: int, dtype: DataType | None = None) -> str:
        self.nodes.append(node)
        self.channels[node.name] = channels
        if dtype is not None:
            self.dtypes[node.name] = dtype
        return node.name

    def _bipolar(self, *shape: int) -> np.ndarray:
        return self.rng.choice(np.array([-1, 1], dtype=np.int8), size=shape)

    def conv(
        self, x: str, channels: int, kernel: int = 3, stride: int = 1, pad: int = 1, groups: int = 1
    ) -> str:
        name = f"conv{sum(isinstance(n, Conv) for n in self.nodes)}"
        node = Conv(
            name=name,
            inputs=(x,),
            weights=self._bipolar(channels, self.channels[x] // groups, kernel, kernel),
            weight_dtype=BIPOLAR,
            stride=(stride, stride),
            pads=(pad,) * 4,
            groups=groups,
            pad_value=-1 if self.dtypes.get(x) == BIPOLAR else 0,
        )
        return self._add(node, channels)

    def dense(self, x: str, outputs: int) -> str:
        name = f"fc{sum(isinstance(n, Dense) for n in self.nodes)}"
        weights = self._bipolar(outputs, self.channels[x])
        return self._add(Dense(name=name, inputs=(x,), weights=weights, weight_dtype=BIPOLAR), outputs)

    def threshold(self, x: str, dtype: DataType = BIPOLAR) -> str:
        """Thresholds near the middle of what random weights give, so that both signs appear."""
        types = IntegerGraph(tuple(self.nodes), x).types[x]
        low, high = np.array(types.low), np.array(types.high)
        spread = np.maximum(1, (high - low) // 16)
        draws = self.rng.normal(size=(len(low), dtype.levels - 1)) * spread[:, None]
        values = np.sort(((low + high) // 2)[:, None] + draws.astype(np.int64), axis=1)
        node = Threshold(name=f"{x}_act", inputs=(x,), thresholds=values, dtype=dtype)
        return self._add(node, self.channels[x], dtype)

    def pool(self, x: str, kernel: int = 2, stride: int = 0, pad: int = 0) -> str:
        """Windows that tile the image, or overlap where ``stride`` is less than the kernel."""
        strides = (stride or kernel,) * 2
        node = MaxPool(
            name=f"{x}_pool", inputs=(x,), kernel=(kernel, kernel), stride=strides, pads=(pad,) * 4
        )
        return self._add(node, self.channels[x], self.dtypes.get(x))

    def sum_pool(self, x: str) -> str:
        return self._add(SumPool(name=f"{x}_sum", inputs=(x,)), self.channels[x])

    def add(self, a: str, b: str) -> str:
        return self._add(Add(name=f"{a}_plus_{b}", inputs=(a, b)), self.channels[a])

    def concat(self, *parts: str) -> str:
        dtypes = {self.dtypes.get(part) for part in parts}
        node = Concat(name="_and_".join(parts), inputs=parts)
        return self._add(
            node, sum(self.channels[p] for p in parts), dtypes.pop() if len(dtypes) == 1 else None
        )

    def flatten(self, x: str) -> str:
        shape = IntegerGraph(tuple(self.nodes), x).types[x].shape
        node = Flatten(name=f"{x}_flat", inputs=(x,))
        return self._add(node, int(np.prod(shape)), self.dtypes.get(x))

    def graph(self, output: str) -> IntegerGraph:
        return IntegerGraph(tuple(self.nodes), output)


def mlp(
    inputs: int = 784, widths: Sequence[int] = (64, 64, 64), classes: int = 10, seed: int = 0
) -> IntegerGraph:
    """FINN's TFC: flat 8-bit pixels and fully connected layers."""
    net = NetworkBuilder((inputs,), seed)
    x = "input"
    for width in widths:
        x = net.threshold(net.dense(x, width))
    return net.graph(net.dense(x, classes))


def conv_net(
    layers: Sequence[int | str],
    dense: Sequence[int],
    shape: tuple[int, int, int] = (3, 32, 32),
    pad: int = 1,
    classes: int = 10,
    seed: int = 0,
) -> IntegerGraph:
    """Convolutions 3x3 of the given widths with ``POOL`` between them, then dense layers."""
    net = NetworkBuilder(shape, seed)
    x = "input"
    for layer in layers:
        x = net.pool(x) if isinstance(layer, str) else net.threshold(net.conv(x, layer, pad=pad))
    x = net.flatten(x)
    for width in dense:
        x = net.threshold(net.dense(x, width))
    return net.graph(net.dense(x, classes))


def vgg_small(
    widths: Sequence[int] = (128, 128, 256, 256, 512, 512), size: int = 32, seed: int = 0
) -> IntegerGraph:
    """VGG-Small: three pairs of padded convolutions, each pair followed by a 2x2 pool."""
    a, b, c, d, e, f = widths
    return conv_net([a, b, POOL, c, d, POOL, e, f, POOL], [], (3, size, size), seed=seed)


def pruned_vgg_small(seed: int = 0) -> IntegerGraph:
    """Irregular widths as a pruning run leaves them (about half of the filters cut in late layers)."""
    return vgg_small((93, 84, 164, 140, 285, 217), seed=seed)


def cnv(seed: int = 0) -> IntegerGraph:
    """FINN's CNV: convolutions without padding, two hidden dense layers."""
    return conv_net([64, 64, POOL, 128, 128, POOL, 256, 256], [512, 512], pad=0, seed=seed)


def resnet18(
    widths: Sequence[int] = (64, 128, 256, 512),
    inner: Sequence[int] | None = None,
    size: int = 32,
    blocks: int = 2,
    seed: int = 0,
) -> IntegerGraph:
    """ResNet-18 for CIFAR in BNN style: integer sums on the residual path, binary 1x1 shortcuts."""
    net = NetworkBuilder((3, size, size), seed)
    total = net.conv("input", widths[0])
    for stage, width in enumerate(widths):
        middle = width if inner is None else inner[stage]
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            x = net.threshold(total)
            y = net.conv(net.threshold(net.conv(x, middle, stride=stride)), width)
            changes = stride != 1 or net.channels[total] != width
            total = net.add(y, net.conv(x, width, 1, stride, 0) if changes else total)
    x = net.threshold(total, DataType.unsigned(2))
    return net.graph(net.dense(net.flatten(net.sum_pool(x)), 10))


def dense_net(
    widths: Sequence[int] = (8, 4, 6), size: int = 8, few_bits: bool = False, seed: int = 0
) -> IntegerGraph:
    """A DenseNet block: every layer reads all tensors before it; with ``few_bits`` one is not bipolar."""
    net = NetworkBuilder((3, size, size), seed)
    tensors = [net.threshold(net.conv("input", widths[0]))]
    for i, width in enumerate(widths[1:]):
        x = net.concat(*tensors) if len(tensors) > 1 else tensors[0]
        dtype = DataType.integer(3) if few_bits and not i else BIPOLAR
        tensors.append(net.threshold(net.conv(x, width), dtype))
    x = net.pool(net.threshold(net.conv(net.concat(*tensors), 5)))
    return net.graph(net.dense(net.flatten(x), 10))


def depthwise_net(size: int = 8, seed: int = 0) -> IntegerGraph:
    """Max-pools that overlap, of two bits and of one, and a depthwise convolution between them."""
    net = NetworkBuilder((3, size, size), seed)
    x = net.pool(net.threshold(net.conv("input", 4), DataType.unsigned(2)), 3, stride=1, pad=1)
    x = net.pool(net.threshold(net.conv(x, 4, groups=4)), 3, stride=2, pad=1)
    return net.graph(net.dense(net.flatten(net.threshold(net.conv(x, 6))), 10))


def published_cnv(design: DataflowGraph) -> DataflowGraph:
    """A lowered CNV at the folding of FINN's bnn-pynq examples (PE, SIMD of its nine layers)."""
    pairs = [(16, 3), (32, 32), (16, 32), (16, 32), (4, 32), (1, 32), (1, 4), (1, 8), (1, 1)]
    channels = [3, 64, 64, 128, 128, 256]
    folds: dict[str, Fold] = {f"MVAU_hls_{i}": {"PE": pe, "SIMD": simd} for i, (pe, simd) in enumerate(pairs)}
    for i, count in enumerate(channels):
        folds[f"ConvolutionInputGenerator_rtl_{i}"] = {"SIMD": min(pairs[i][1], count)}
    folds |= {"StreamingMaxPool_hls_0": {"PE": 64}, "StreamingMaxPool_hls_1": {"PE": 128}}
    return refold(design, folds)
