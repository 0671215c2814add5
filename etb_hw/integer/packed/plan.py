"""From an integer graph to packed steps: which tensors are bits, what is fused, which kernel runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from etb_hw.integer import graph as g
from etb_hw.integer.packed import steps as s
from etb_hw.integer.packed.kernel import BLOCK, ByteKernel, Kernel, aligned, mismatch_table
from etb_hw.integer.packed.layout import Encoding, groups_of, pack_binary, pack_bytes, weight_planes
from etb_hw.integer.packed.loops import PANEL, Loops, build

MOST_PLANES = 4
"""Products of bit planes up to which popcounts beat 8-bit products."""

MOST_TAPS = 65_534
"""Mismatches of one filter, and their limit one above, fit 16 bits."""


@dataclass(frozen=True)
class Form:
    """How a tensor is held: (C, H, W) as bit planes of an encoding, or as integers.

    ``flat`` tensors are logically (C*H*W,), channels slowest, though they still lie as (H, W, C).
    """

    shape: s.Image
    encoding: Encoding | None = None
    flat: bool = False


@dataclass(frozen=True, eq=False)
class Plan:
    """Steps in order; ``results`` tells for every graph node the integer array that holds its tensor."""

    input: str
    steps: tuple[s.Step, ...]
    results: dict[str, str]
    last_use: dict[str, int]


@dataclass(frozen=True, eq=False)
class _Fused:
    """A one-bit threshold, and a pool, that a convolution does itself; ``name`` is the last node's."""

    name: str
    threshold: g.Threshold
    pool: g.MaxPool | None


def make_plan(graph: g.IntegerGraph, kernel: Kernel, byte_kernel: ByteKernel, *, keep_all: bool) -> Plan:
    """Compile. With ``keep_all`` nothing is fused and every node's tensor is available as integers."""
    return _Planner(graph, kernel, byte_kernel, keep_all).plan()


class _Planner:
    def __init__(
        self, graph: g.IntegerGraph, kernel: Kernel, byte_kernel: ByteKernel, keep_all: bool
    ) -> None:
        self.graph = graph
        self.kernel = kernel
        self.byte_kernel = byte_kernel
        self.keep_all = keep_all
        self.loops: Loops = build(kernel, byte_kernel)
        self.steps: list[s.Step] = []
        self.forms: dict[str, Form] = {}
        self.fused: set[str] = set()

    def plan(self) -> Plan:
        for node in self.graph.nodes:
            if node.name not in self.fused:
                self._lower(node)
        wanted = [n.name for n in self.graph.nodes] if self.keep_all else [self.graph.output]
        results = {name: self._flat_integers(name) for name in wanted}
        last_use = {name: i for i, step in enumerate(self.steps) for name in step.inputs}
        for name in results.values():
            last_use[name] = len(self.steps)
        return Plan(self.graph.input.name, tuple(self.steps), results, last_use)

    def _lower(self, node: g.Node) -> None:
        types = self.graph.types
        match node:
            case g.Input():
                self.forms[node.name] = Form(_image(node.shape))
            case g.Conv():
                self._conv(node)
            case g.Dense():
                # a product with a flattened image is a convolution by a kernel of the image's size
                shape = self.forms[node.inputs[0]].shape
                self._conv(
                    g.Conv(
                        name=node.name,
                        inputs=node.inputs,
                        weights=node.weights.reshape(-1, *shape),
                        weight_dtype=node.weight_dtype,
                    )
                )
            case g.Threshold():
                self._threshold(node)
            case g.MaxPool():
                self._pool(node)
            case g.SumPool():
                dtype = _dtype(types[node.name])
                self._map(node, lambda a: a[0].sum(axis=(1, 2), keepdims=True, dtype=dtype))
            case g.Add():
                dtype = _dtype(types[node.name])
                self._map(node, lambda a: np.add(a[0], a[1], dtype=dtype))
            case g.ChannelAffine():
                dtype = _dtype(types[node.name])
                mul, add = node.mul, node.add
                self._map(node, lambda a: (a[0].astype(np.int64) * mul + add).astype(dtype))
            case g.Flatten():
                form = self.forms[node.inputs[0]]
                self.forms[node.name] = replace(form, flat=True)
                self._add_step(s.Elementwise(node.name, node.inputs, lambda a: a[0]))
            case _:
                raise AssertionError(f"node kind {type(node).__name__} has no packed form")

    # -- convolutions ---------------------------------------------------------------------------------

    def _conv(self, node: g.Conv) -> None:
        fused = self._fusable(node)
        if node.groups == 1 and (self._binary_conv(node, fused) or self._byte_conv(node, fused)):
            return
        x = self._integers(node.inputs[0])
        kind = self.graph.types[node.inputs[0]]
        largest = max(abs(min(kind.low)), abs(max(kind.high)), abs(node.pad_value))
        bound = int(np.abs(node.weights.astype(np.int64)).sum(axis=(1, 2, 3)).max()) * largest
        exact = np.float32 if bound < 2**24 else np.float64 if bound < 2**53 else np.int64
        result = _dtype(self.graph.types[node.name])
        self._add(s.FloatConv(node.name, (x,), node, np.dtype(exact), np.dtype(result)), self._output(node))

    def _binary_conv(self, node: g.Conv, fused: _Fused | None) -> bool:
        weights = node.weights.astype(np.int64).transpose(0, 2, 3, 1)
        planes = weight_planes(weights)
        encoding = self._encoding(node.inputs[0])
        taps = int(np.prod(weights.shape[1:]))
        if encoding is None or encoding.planes * len(planes) > MOST_PLANES or taps > MOST_TAPS:
            return False
        if any(node.pads) and not encoding.holds(node.pad_value):
            return False
        x = self._bits(node.inputs[0], encoding)
        shape = self.forms[x].shape
        channels = shape[0]
        kernel = self.kernel
        unit = -(-channels // kernel.channels)
        groups = groups_of(kernel, channels, weights.shape[1] * weights.shape[2])

        # 4 * dot = bias - 2 * sum of a[i, j] * mismatches[i, j]; see Encoding and WeightPlane
        a = np.array(
            [[encoding.step * 2**i * plane.coefficient for plane in planes] for i in range(encoding.planes)]
        )
        centre = 2 * encoding.low + encoding.step * (2**encoding.planes - 1)
        bias = 2 * centre * weights.sum(axis=(1, 2, 3)) + taps * a.sum()
        factors, shift = -2 * a, 2
        if not ((factors % 4).any() or (bias % 4).any()):
            factors, bias, shift = factors // 4, bias // 4, 0

        limits = None
        if fused is not None and a.size == 1 and a[0, 0] > 0:
            # bias - |factor| * m >= t * 2**shift
            highest = (bias - (_one_threshold(fused.threshold) << shift)) // -factors[0, 0]
            limits = _padded(np.clip(highest + 1, 0, 65_535), np.uint16, 0)
        border_level = (node.pad_value - encoding.low) // encoding.step if any(node.pads) else 0
        borders = tuple(self._border(channels, bool(border_level >> i & 1)) for i in range(encoding.planes))
        pool = fused.pool.kernel if limits is not None and fused is not None and fused.pool else (1, 1)
        step = s.BinaryConv(
            name=fused.name if limits is not None and fused is not None else node.name,
            inputs=(x,),
            loops=self.loops,
            window=s.Window(node, shape, unit, groups, kernel.flush, pool),
            weights=tuple(pack_binary(kernel, plane.bits) for plane in planes),
            borders=borders,
            factors=factors,
            bias=bias.astype(np.int32),
            shift=shift,
            table=int(mismatch_table(kernel.name).ctypes.data),
            panel_bytes=_row_bytes(groups) * PANEL // kernel.pixels_a_row,
            limits=limits,
        )
        self._add_conv(step, node, fused if limits is not None else None)
        return True

    def _byte_conv(self, node: g.Conv, fused: _Fused | None) -> bool:
        kind = self.graph.types[node.inputs[0]]
        low, high = min(kind.low), max(kind.high)
        if any(node.pads):
            low, high = min(low, node.pad_value), max(high, node.pad_value)
        weights = node.weights.astype(np.int64).transpose(0, 2, 3, 1)
        largest = int(np.abs(weights).max())
        offset = 0 if low >= 0 and high <= 255 else low
        taps = int(np.prod(weights.shape[1:]))
        if high - offset > 255 or weights.min() < -128 or weights.max() > 127 or taps * 255 * 128 >= 2**31:
            return False
        flush = 256
        if self.byte_kernel.name == "maddubs":  # two products a group add to a 16-bit lane
            flush = 32_767 // (2 * 255 * max(1, largest))
            if flush == 0:
                return False
        x = self._integers(node.inputs[0])
        shape = self.forms[x].shape
        bias = offset * weights.sum(axis=(1, 2, 3))
        limits = None
        if fused is not None:
            lowest = _one_threshold(fused.threshold) - bias
            limits = _padded(np.clip(lowest, -(2**31), 2**31 - 1), np.int32, 2**31 - 1)
        groups = -(-taps // 4)
        step = s.ByteConv(
            name=fused.name if fused is not None else node.name,
            inputs=(x,),
            loops=self.loops,
            window=s.Window(
                node, shape, shape[0], groups, flush, fused.pool.kernel if fused and fused.pool else (1, 1)
            ),
            weights=pack_bytes(self.byte_kernel, weights.reshape(weights.shape[0], -1)),
            offset=offset,
            bias=bias.astype(np.int32),
            panel_bytes=_row_bytes(groups * 4) * PANEL,
            limits=limits,
        )
        self._add_conv(step, node, fused)
        return True

    def _add_conv(self, step: s.Step, node: g.Conv, fused: _Fused | None) -> None:
        if fused is None:
            self._add(step, self._output(node))
            return
        chain = [fused.threshold.name] + ([fused.pool.name] if fused.pool else [])
        self.fused.update(chain)
        dtype = fused.threshold.dtype
        self._add(step, _image(self.graph.types[fused.name].shape), Encoding(dtype.min, dtype.step, 1))

    def _fusable(self, node: g.Conv) -> _Fused | None:
        """The one-bit threshold after a convolution, with a pool before or after it."""
        after = self._only_consumer(node.name)
        if self.keep_all or after is None:
            return None
        pool = None
        if isinstance(after, g.MaxPool) and _tiles(after):
            # thresholds rise, so pooling before or after them is the same
            pool, after = after, self._only_consumer(after.name)
        if not isinstance(after, g.Threshold) or after.dtype.levels != 2:
            return None
        name = after.name
        if pool is None:
            then = self._only_consumer(after.name)
            if isinstance(then, g.MaxPool) and _tiles(then):
                pool, name = then, then.name
        return _Fused(name, after, pool)

    def _only_consumer(self, name: str) -> g.Node | None:
        consumers = self.graph.consumers(name)
        return consumers[0] if len(consumers) == 1 and name != self.graph.output else None

    def _border(self, channels: int, one: bool) -> Any:
        a_byte = self.kernel.channels
        ones = np.zeros(-(-channels // a_byte) * a_byte, dtype=np.uint8)
        ones[:channels] = one
        return (ones.reshape(-1, a_byte) << np.arange(a_byte)).sum(axis=1).astype(np.uint8)

    def _output(self, node: g.Node) -> s.Image:
        return _image(self.graph.types[node.name].shape)

    def _threshold(self, node: g.Threshold) -> None:
        x = self._flat_integers(node.inputs[0])
        shape, kind = self.forms[x].shape, self.graph.types[node.inputs[0]]
        low, step = node.dtype.min, node.dtype.step
        planes = (node.dtype.levels - 1).bit_length()
        if planes > MOST_PLANES or _dtype(kind) is not np.int32 or not self._meets_weights(node.name):
            thresholds = np.ascontiguousarray(node.thresholds)
            self._add(
                s.ThresholdLevels(node.name, (x,), self.loops, thresholds, low, step, _dtype(kind)), shape
            )
            return
        # out of reach stays out of reach: tensors hold less than the largest int32
        thresholds = np.clip(node.thresholds.T, -(2**31), 2**31 - 1)
        rows = np.full((len(thresholds), s.words_of(shape[0]) * 64), 2**31 - 1, dtype=np.int32)
        rows[:, : shape[0]] = thresholds
        encoding = Encoding(low, step, planes)
        self._add(s.ThresholdBits(node.name, (x,), self.loops, rows, shape, planes), shape, encoding)

    def _meets_weights(self, name: str) -> bool:
        """Whether bits are what a consumer wants: a product, or what passes bits on to one."""
        return any(
            isinstance(node, g.Conv | g.Dense)
            or (isinstance(node, g.MaxPool | g.Flatten) and self._meets_weights(node.name))
            for node in self.graph.consumers(name)
        )

    # -- the rest -------------------------------------------------------------------------------------

    def _pool(self, node: g.MaxPool) -> None:
        name = node.inputs[0]
        form = self.forms[name]
        if form.encoding is not None and form.encoding.planes == 1:
            self._add(
                s.PoolBits(node.name, (name,), self.loops, node, self._output(node)), self._output(node)
            )
            self.forms[node.name] = replace(self.forms[node.name], encoding=form.encoding)
        else:
            self._map(node, lambda a: s.pool_integers(node, a[0]))

    def _map(self, node: g.Node, function: Callable[[list[s.Array]], s.Array]) -> None:
        inputs = tuple(self._flat_integers(name) for name in node.inputs)
        self._add(s.Elementwise(node.name, inputs, function), self._output(node))

    def _add(self, step: s.Step, shape: s.Image, encoding: Encoding | None = None) -> None:
        self._add_step(step)
        self.forms[step.name] = Form(shape, encoding)

    def _add_step(self, step: s.Step) -> None:
        self.steps.append(step)

    def _encoding(self, name: str) -> Encoding | None:
        """The bit encoding that ``name`` has, or could get."""
        form = self.forms[name]
        if form.encoding is not None:
            return form.encoding
        kind = self.graph.types[name]
        if kind.dtype.bits > MOST_PLANES:
            return None
        planes = (kind.dtype.levels - 1).bit_length()
        return Encoding(kind.dtype.min, kind.dtype.step, max(1, planes))

    def _bits(self, name: str, encoding: Encoding) -> str:
        form = self.forms[name]
        if form.encoding is not None:
            return name
        new = f"{name}:bits"
        if new not in self.forms:
            self._add(s.Encode(new, (name,), self.loops, encoding, form.shape), form.shape, encoding)
            self.forms[new] = replace(self.forms[new], flat=form.flat)
        return new

    def _integers(self, name: str) -> str:
        form = self.forms[name]
        if form.encoding is None:
            return name
        new = f"{name}:ints"
        if new not in self.forms:
            self._add(s.Decode(new, (name,), self.loops, form.encoding, form.shape), form.shape)
            self.forms[new] = replace(self.forms[new], flat=form.flat)
        return new

    def _flat_integers(self, name: str) -> str:
        """Integers (N, H, W, C), where C is really the tensor's first axis: flattened ones are reordered."""
        name = self._integers(name)
        form = self.forms[name]
        channels, height, width = form.shape
        if not form.flat or height * width == 1:
            return name
        new = f"{name}:flat"
        if new not in self.forms:
            reorder = lambda a: a[0].transpose(0, 3, 1, 2).reshape(a[0].shape[0], 1, 1, -1)  # noqa: E731
            self._add(s.Elementwise(new, (name,), reorder), (channels * height * width, 1, 1))
        return new


def _image(shape: g.Shape) -> s.Image:
    if len(shape) == 1:
        return shape[0], 1, 1
    channels, height, width = shape
    return channels, height, width


def _tiles(pool: g.MaxPool) -> bool:
    return pool.kernel == pool.stride and not any(pool.pads)


def _one_threshold(node: g.Threshold) -> Any:
    """(C,) thresholds of a two-level quantizer, within +-2**40 so that arithmetic on them is safe."""
    if node.thresholds.shape[1] == 0:
        return np.full(node.thresholds.shape[0], 2**40)
    return np.clip(node.thresholds[:, 0], -(2**40), 2**40)


def _padded(values: Any, dtype: type[np.generic], fill: int) -> Any:
    out = aligned(-(-len(values) // BLOCK) * BLOCK, dtype)
    out[:] = fill
    out[: len(values)] = values
    return out


def _row_bytes(used: int) -> int:
    """Panel row stride: whole cache lines and one more for what the gather copies too much."""
    return (used + 63) // 64 * 64 + 64


def _dtype(kind: g.TensorType) -> type[np.signedinteger[Any]]:
    return np.int32 if min(kind.low) >= -(2**31) and max(kind.high) < 2**31 - 1 else np.int64
