"""Random small integer graphs that use every kind of node in every way the packed executor treats apart."""

from __future__ import annotations

import numpy as np

from etb_hw.integer import (
    BIPOLAR,
    Add,
    ChannelAffine,
    Concat,
    Conv,
    DataType,
    Dense,
    DepthToSpace,
    Flatten,
    Input,
    IntegerGraph,
    MaxPool,
    Node,
    SelectChannels,
    SumPool,
    Threshold,
    Upsample,
)
from etb_hw.integer.infer import conv_output_size

INPUTS = (
    "UINT8",
    "UINT8",
    "INT8",
    "BIPOLAR",
    "BIPOLAR",
    "BINARY",
    "TERNARY",
    "UINT2",
    "INT2",
    "INT4",
    "INT12",
)
WEIGHTS = ("BIPOLAR",) * 8 + ("TERNARY", "INT2", "INT4", "INT8", "UINT2", "INT12")
ACTIVATIONS = ("BIPOLAR",) * 8 + ("BINARY", "TERNARY", "UINT2", "INT3", "UINT4", "UINT6")


def integers(rng: np.random.Generator, dtype: DataType, shape: tuple[int, ...]) -> np.ndarray:
    """Random values of a type, all levels equally likely."""
    return dtype.min + dtype.step * rng.integers(0, dtype.levels, size=shape)


class RandomGraph:
    """Draws a graph node by node; wrong shapes are impossible by construction."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        rng = self.rng
        flat = rng.random() < 0.15
        size = (int(rng.integers(3, 10)), int(rng.integers(3, 10)))
        channels = int(rng.choice([1, 2, 3, 7, 16, 64, 65, 70]))
        shape = (int(rng.integers(1, 150)),) if flat else (channels, *size)
        self.nodes: list[Node] = [Input(name="x", shape=shape, dtype=self._pick(INPUTS))]
        for _ in range(int(rng.integers(1, 7))):
            self._grow()
        if rng.random() < 0.3:
            self._append(Flatten, inputs=(self.last,))
        if len(self.shape) == 1:
            self._dense()

    @property
    def graph(self) -> IntegerGraph:
        return IntegerGraph(tuple(self.nodes), self.last)

    @property
    def last(self) -> str:
        return self.nodes[-1].name

    @property
    def shape(self) -> tuple[int, ...]:
        return self.graph.types[self.last].shape

    def _pick(self, names: tuple[str, ...]) -> DataType:
        return DataType.parse(str(self.rng.choice(names)))

    def _append(self, kind: type[Node], **fields: object) -> None:
        self.nodes.append(kind(name=f"{kind.__name__.lower()}{len(self.nodes)}", **fields))  # type: ignore[arg-type]

    def _grow(self) -> None:
        makers = [self._dense, self._threshold, self._select]
        if len(self.shape) == 3:
            makers = [
                self._conv,
                self._conv,
                self._conv,
                self._threshold,
                self._pool,
                self._add,
                self._concat,
                self._affine,
                self._upsample,
                self._to_space,
                self._select,
            ]
            if self.rng.random() < 0.2:
                makers = [self._sum_pool, self._flatten]
        makers[int(self.rng.integers(len(makers)))]()
        if isinstance(self.nodes[-1], Conv | Dense) and self.rng.random() < 0.8:
            if len(self.shape) == 3 and self.rng.random() < 0.2:
                self._pool()
            self._threshold()
            if len(self.shape) == 3 and self.rng.random() < 0.6:
                self._pool()

    def _conv(self) -> None:
        rng = self.rng
        channels, height, width = self.shape
        groups = channels if rng.random() < 0.1 else 1
        outputs = groups * int(rng.integers(1, 3)) if groups > 1 else int(rng.choice([1, 5, 31, 64, 66, 130]))
        stride, dilation = (tuple(int(v) for v in rng.integers(1, 3, size=2)) for _ in range(2))
        pads = tuple(int(v) for v in rng.integers(0, 3, size=4)) if rng.random() < 0.6 else (0, 0, 0, 0)
        room = (height + pads[0] + pads[2], width + pads[1] + pads[3])
        kernel = tuple(
            int(rng.integers(1, min(4, (size - 1) // d + 1) + 1))
            for size, d in zip(room, dilation, strict=True)
        )
        dtype = self._pick(WEIGHTS)
        kind = self.graph.types[self.last]
        self._append(
            Conv,
            inputs=(self.last,),
            weights=integers(rng, dtype, (outputs, channels // groups, *kernel)),
            weight_dtype=dtype,
            stride=stride,
            pads=pads,
            dilation=dilation,
            groups=groups,
            pad_value=int(rng.choice([0, kind.dtype.min, kind.dtype.max])),
        )

    def _dense(self) -> None:
        if len(self.shape) != 1:
            self._flatten()
        dtype = self._pick(WEIGHTS)
        outputs = int(self.rng.choice([1, 10, 64, 129]))
        weights = integers(self.rng, dtype, (outputs, self.shape[0]))
        self._append(Dense, inputs=(self.last,), weights=weights, weight_dtype=dtype)

    def _flatten(self) -> None:
        self._append(Flatten, inputs=(self.last,))

    def _threshold(self) -> None:
        dtype = self._pick(ACTIVATIONS)
        kind = self.graph.types[self.last]
        low, high = np.array(kind.low)[:, None], np.array(kind.high)[:, None]
        # narrow around the middle, where values are, but some out of reach
        middle, spread = (low + high) // 2, np.maximum(1, (high - low) // 8)
        values = middle + (self.rng.normal(size=(low.size, dtype.levels - 1)) * spread).astype(np.int64)
        values[self.rng.random(low.size) < 0.1] = low.min() - 1
        values[self.rng.random(low.size) < 0.1] = 2**60
        self._append(Threshold, inputs=(self.last,), thresholds=np.sort(values, axis=1), dtype=dtype)

    def _pool(self) -> None:
        _, height, width = self.shape
        kernel = tuple(int(self.rng.integers(1, min(3, size) + 1)) for size in (height, width))
        if self.rng.random() < 0.6:
            self._append(MaxPool, inputs=(self.last,), kernel=kernel, stride=kernel)
            return
        stride = tuple(int(v) for v in self.rng.integers(1, 3, size=2))
        pads = tuple(int(self.rng.integers(0, k)) for k in kernel * 2)
        assert conv_output_size(height, kernel[0], stride[0], 1, pads[0] + pads[2]) >= 1
        self._append(MaxPool, inputs=(self.last,), kernel=kernel, stride=stride, pads=pads)

    def _sum_pool(self) -> None:
        self._append(SumPool, inputs=(self.last,))

    def _upsample(self) -> None:
        most = 2 if max(self.shape[1:]) > 12 else 4
        factors = tuple(int(v) for v in self.rng.integers(1, most, size=2))
        self._append(Upsample, inputs=(self.last,), factors=factors)

    def _to_space(self) -> None:
        if self.rng.random() < 0.5:  # as of a transposed convolution
            weights = integers(self.rng, BIPOLAR, (int(self.rng.choice([4, 8, 36])), self.shape[0], 1, 1))
            self._append(Conv, inputs=(self.last,), weights=weights, weight_dtype=BIPOLAR)
        blocks = [block for block in (2, 3) if self.shape[0] % block**2 == 0]
        if not blocks or max(self.shape[1:]) > 12:
            self._upsample()
        else:
            interleaved, block = bool(self.rng.random() < 0.5), int(self.rng.choice(blocks))
            self._append(DepthToSpace, inputs=(self.last,), block=block, interleaved=interleaved)

    def _add(self) -> None:
        same = [n.name for n in self.nodes if self.graph.types[n.name].shape == self.shape]
        self._append(Add, inputs=(self.last, str(self.rng.choice(same))))

    def _concat(self) -> None:
        fits = [n.name for n in self.nodes if self.graph.types[n.name].shape[1:] == self.shape[1:]]
        others = tuple(str(name) for name in self.rng.choice(fits, size=int(self.rng.integers(1, 3))))
        self._append(Concat, inputs=(*others, self.last))

    def _select(self) -> None:
        """All channels in another order, or any, some of them more than once."""
        if self.rng.random() < 0.5:
            chosen = self.rng.permutation(self.shape[0])
        else:
            chosen = self.rng.integers(0, self.shape[0], int(self.rng.integers(1, self.shape[0] + 2)))
        self._append(SelectChannels, inputs=(self.last,), channels=chosen)

    def _affine(self) -> None:
        mul, add = self.rng.integers(-9, 10, size=(2, self.shape[0]))
        if self.rng.random() < 0.5:  # a bias, mostly in front of a quantizer
            mul = np.ones_like(mul)
        self._append(ChannelAffine, inputs=(self.last,), mul=mul, add=add)
        if self.rng.random() < 0.5:
            self._threshold()


def random_graph(seed: int) -> IntegerGraph:
    return RandomGraph(seed).graph


def random_batch(graph: IntegerGraph, count: int, seed: int = 0) -> np.ndarray:
    return integers(np.random.default_rng(seed), graph.input.dtype, (count, *graph.input.shape))


__all__ = ["BIPOLAR", "integers", "random_batch", "random_graph"]
