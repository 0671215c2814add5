"""From an integer graph to packed steps: which tensors are bits, what is fused, which kernel runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from etb_hw.integer import nodes as g
from etb_hw.integer.depth_to_space import to_space_last
from etb_hw.integer.graph import IntegerGraph, unused
from etb_hw.integer.packed import steps as s
from etb_hw.integer.packed.kernel import BLOCK, ByteKernel, Kernel, aligned
from etb_hw.integer.packed.layout import (
    Encoding,
    bytes_of,
    pack_binary,
    pack_bytes,
    weight_planes,
    window_bytes,
)
from etb_hw.integer.packed.memory import Array, Form, Image

MOST_PLANES = 4
"""Products of bit planes up to which popcounts beat 8-bit products."""

MOST_TAPS = 65_534
"""Mismatches of one filter, and their limit one above, fit 16 bits."""


@dataclass(frozen=True, eq=False)
class Plan:
    """Steps in order.

    Attributes:
        input: the tensor that the caller gives, (N, C, H, W) of ``source.dtype``.
        results: the integer tensor that holds a graph node's, by node.
    """

    input: str
    source: Form
    steps: tuple[s.Step, ...]
    results: dict[str, str]

    @property
    def panel_bytes(self) -> int:
        """What the largest panel takes."""
        return max((step.panel_bytes for step in self.steps if isinstance(step, s.Conv)), default=64)

    @property
    def image_bytes(self) -> int:
        """What the tensors of one image take."""
        return sum(step.form.bytes for step in self.steps if not isinstance(step, s.Alias))


@dataclass(frozen=True, eq=False)
class _Fused:
    """A one-bit threshold, and a pool, that a convolution does itself; ``name`` is the last node's."""

    name: str
    threshold: g.Threshold
    pool: g.MaxPool | None


def make_plan(graph: IntegerGraph, kernel: Kernel, byte_kernel: ByteKernel, *, keep_all: bool) -> Plan:
    """Compile. With ``keep_all`` nothing is fused and every node's tensor is available as integers."""
    return _Planner(graph, kernel, byte_kernel, keep_all).plan()


class _Planner:
    def __init__(self, graph: IntegerGraph, kernel: Kernel, byte_kernel: ByteKernel, keep_all: bool) -> None:
        self.graph = graph
        self.kernel = kernel
        self.byte_kernel = byte_kernel
        self.keep_all = keep_all
        self.steps: list[s.Step] = []
        self.forms: dict[str, Form] = {}
        self.fused: set[str] = set()
        self.derived: dict[tuple[str, str], str] = {}

    def plan(self) -> Plan:
        for node in self.graph.nodes:
            if node.name not in self.fused:
                self._lower(node)
        source = self.graph.input.name
        if self.keep_all:
            results = {node.name: self._flat_integers(node.name) for node in self.graph.nodes}
        else:
            last = self._integers(self.graph.output)
            results = {self.graph.output: last}
            self._add(s.ToResult(self._derived(last, "result"), (last,), self.forms[last]))
        return Plan(source, self.forms[source], tuple(self.steps), results)

    def _lower(self, node: g.Node) -> None:
        match node:
            case g.Input():
                self.forms[node.name] = Form(_image(node.shape), dtype=_source_dtype(node))
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
                self._map(node, lambda a, dtype: a[0].sum(axis=(1, 2), keepdims=True, dtype=dtype))
            case g.Upsample():
                self._upsample(node)
            case g.DepthToSpace():
                self._to_space(node)
            case g.Add():
                self._map(node, lambda a, dtype: np.add(a[0], a[1], dtype=dtype))
            case g.Concat():
                self._map(node, lambda a, dtype: np.concatenate(a, axis=-1))
            case g.SelectChannels():
                chosen = node.channels
                self._map(node, lambda a, _: a[0][..., chosen])
            case g.ChannelAffine():
                mul, add = node.mul, node.add
                self._map(node, lambda a, dtype: a[0].astype(np.int64) * mul + add)
            case g.Flatten():
                form = replace(self.forms[node.inputs[0]], flat=True)
                self._add(s.Alias(node.name, node.inputs, form))
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
        self._add(s.FloatConv(node.name, (x,), self._output(node.name), node, np.dtype(exact)))

    def _binary_conv(self, node: g.Conv, fused: _Fused | None) -> bool:
        weights = node.weights.astype(np.int64).transpose(0, 2, 3, 1)
        planes = weight_planes(weights)
        encoding = self._encoding(node.inputs[0])
        taps = int(np.prod(weights.shape[1:]))
        if encoding is None or encoding.planes * len(planes) > MOST_PLANES or taps > MOST_TAPS:
            return False
        if any(node.pads) and not encoding.holds(node.pad_value):
            return False
        x = self._bits(node.inputs[0], encoding, node)
        shape = self.forms[x].shape
        channels = shape[0]
        kernel = self.kernel

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
        fused = fused if limits is not None else None
        added = self._added(node) if fused is None and shift == 0 else None
        pool = fused.pool.kernel if fused is not None and fused.pool else (1, 1)
        inside = window_bytes(kernel, channels, weights.shape[1] * weights.shape[2])
        self._add_conv(
            s.BinaryConv(
                name=fused.name if fused else added[0] if added else node.name,
                inputs=(x, added[1]) if added else (x,),
                form=self._ending(node, fused),
                kernel=kernel,
                window=s.Window(node, shape, bytes_of(channels), inside, pool),
                flush=kernel.flush,
                bias=bias.astype(np.int32),
                limits=limits,
                weights=tuple(pack_binary(kernel, plane.bits) for plane in planes),
                factors=factors,
                shift=shift,
            ),
            fused,
        )
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
        x = node.inputs[0]
        if x != self.graph.input.name or self.forms[x].encoding is not None:
            x = self._integers(x)
        shape = self.forms[x].shape
        bias = offset * weights.sum(axis=(1, 2, 3))
        limits = None
        if fused is not None:
            lowest = _one_threshold(fused.threshold) - bias
            limits = _padded(np.clip(lowest, -(2**31), 2**31 - 1), np.int32, 2**31 - 1)
        added = self._added(node) if fused is None else None
        pool = fused.pool.kernel if fused is not None and fused.pool else (1, 1)
        self._add_conv(
            s.ByteConv(
                name=fused.name if fused else added[0] if added else node.name,
                inputs=(x, added[1]) if added else (x,),
                form=self._ending(node, fused),
                kernel=self.byte_kernel,
                window=s.Window(node, shape, shape[0], -(-taps // 4) * 4, pool),
                flush=flush,
                bias=bias.astype(np.int32),
                limits=limits,
                weights=pack_bytes(self.byte_kernel, weights.reshape(weights.shape[0], -1)),
                offset=offset,
            ),
            fused,
        )
        return True

    def _ending(self, node: g.Conv, fused: _Fused | None) -> Form:
        if fused is None:
            return self._output(node.name)
        dtype = fused.threshold.dtype
        return self._bordered(fused.name, Encoding(dtype.min, dtype.step, 1))

    def _add_conv(self, step: s.Step, fused: _Fused | None) -> None:
        self._add(step)
        if fused is not None:
            self.fused.update([fused.threshold.name] + ([fused.pool.name] if fused.pool else []))
        elif step.name in self.graph.by_name:
            self.fused.add(step.name)  # the addition, or the convolution itself, which is done

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

    def _added(self, node: g.Conv) -> tuple[str, str] | None:
        """The addition after a convolution, and its other tensor as int32, if that is computed already."""
        after = self._only_consumer(node.name)
        if self.keep_all or not isinstance(after, g.Add):
            return None
        others = [name for name in after.inputs if name != node.name]
        types = self.graph.types
        if len(others) != 1 or others[0] not in self.forms:
            return None
        if any(_dtype(types[name]) is not np.int32 for name in (node.name, after.name, others[0])):
            return None
        other = self._flat_integers(others[0])
        if self.forms[other].shape != _image(types[after.name].shape):
            return None
        return after.name, other

    def _only_consumer(self, name: str) -> g.Node | None:
        consumers = self.graph.consumers(name)
        return consumers[0] if len(consumers) == 1 and name != self.graph.output else None

    def _output(self, name: str) -> Form:
        """A node's tensor as plain integers."""
        kind = self.graph.types[name]
        return Form(_image(kind.shape), dtype=_dtype(kind))

    def _bordered(self, name: str, encoding: Encoding) -> Form:
        """A node's tensor as bits, with the border that the convolutions after it want."""
        form = Form(_image(self.graph.types[name].shape), encoding)
        convs = [n for n in self.graph.consumers(name) if isinstance(n, g.Conv) and any(n.pads)]
        convs = [n for n in convs if encoding.holds(n.pad_value)]
        if not convs or self.keep_all:
            return form
        value = convs[0].pad_value
        top, left, bottom, right = (
            max(sides) for sides in zip(*(n.pads for n in convs if n.pad_value == value), strict=True)
        )
        return replace(form, pads=(top, left, bottom, right), border=encoding.level(value))

    def _threshold(self, node: g.Threshold) -> None:
        x = self._flat_integers(node.inputs[0])
        shape, kind = self.forms[x].shape, self.graph.types[node.inputs[0]]
        low, step = node.dtype.min, node.dtype.step
        planes = (node.dtype.levels - 1).bit_length()
        if planes > MOST_PLANES or _dtype(kind) is not np.int32 or not self._meets_weights(node.name):
            thresholds = np.ascontiguousarray(node.thresholds)
            self._add(s.ThresholdLevels(node.name, (x,), Form(shape), thresholds, low, step))
            return
        # out of reach stays out of reach: tensors hold less than the largest int32
        thresholds = np.clip(node.thresholds.T, -(2**31), 2**31 - 1)
        rows = aligned(len(thresholds) * -(-shape[0] // 64) * 64, np.int32).reshape(len(thresholds), -1)
        rows[:] = 2**31 - 1
        rows[:, : shape[0]] = thresholds
        form = self._bordered(node.name, Encoding(low, step, planes))
        self._add(s.ThresholdBits(node.name, (x,), form, rows))

    def _meets_weights(self, name: str) -> bool:
        """Whether bits are what a consumer wants: a product, or what passes bits on to one."""
        return any(
            isinstance(node, g.Conv | g.Dense)
            or (isinstance(node, g.Moving | g.Flatten) and self._meets_weights(node.name))
            for node in self.graph.consumers(name)
        )

    # -- the rest -------------------------------------------------------------------------------------

    def _pool(self, node: g.MaxPool) -> None:
        name = node.inputs[0]
        encoding = self.forms[name].encoding
        if encoding is not None and encoding.planes == 1:
            self._add(s.PoolBits(node.name, (name,), self._bordered(node.name, encoding), node))
        else:
            self._map(node, lambda a, dtype: s.pool_integers(node, a[0]))

    def _upsample(self, node: g.Upsample) -> None:
        name, (down, across) = node.inputs[0], node.factors
        encoding = self.forms[name].encoding
        if encoding is not None:
            self._add(s.UpsampleBits(node.name, (name,), self._bordered(node.name, encoding), node))
        else:
            self._map(node, lambda a, dtype: a[0].repeat(down, axis=1).repeat(across, axis=2))

    def _to_space(self, node: g.DepthToSpace) -> None:
        name, block, interleaved = node.inputs[0], node.block, node.interleaved
        encoding, whole = self.forms[name].encoding, self.graph.types[node.name].channels % 8 == 0
        if encoding is not None and whole and not interleaved:
            self._add(s.BitsToSpace(node.name, (name,), self._bordered(node.name, encoding), node))
        else:
            self._map(node, lambda a, _: to_space_last(a[0], block, interleaved))

    def _map(self, node: g.Node, function: Callable[[list[Array], Any], Array]) -> None:
        inputs = tuple(self._flat_integers(name) for name in node.inputs)
        form = self._output(node.name)
        self._add(s.Elementwise(node.name, inputs, form, lambda arrays: function(arrays, form.dtype)))

    def _derived(self, name: str, what: str) -> str:
        """Another form of a tensor; its name is none that a node could have."""
        return self.derived.setdefault((name, what), unused(f"{name}:{what}", self.graph.by_name))

    def _add(self, step: s.Step) -> None:
        self.steps.append(step)
        self.forms[step.name] = step.form

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

    def _bits(self, name: str, encoding: Encoding, conv: g.Conv) -> str:
        """Bits of a tensor, within the border that a convolution wants."""
        form = self.forms[name]
        level = encoding.level(conv.pad_value) if any(conv.pads) else 0
        if form.encoding is None:
            new = self._derived(name, f"bits{conv.pads}{level}")
            if new not in self.forms:
                x = self._integers(name)
                bordered = Form(form.shape, encoding, flat=form.flat, pads=conv.pads, border=level)
                self._add(s.Encode(new, (x,), bordered))
            return new
        wide = all(there >= wanted for there, wanted in zip(form.pads, conv.pads, strict=True))
        if not any(conv.pads) or (wide and form.border == level):
            return name
        new = self._derived(name, f"bits{conv.pads}{level}")
        if new not in self.forms:
            self._add(s.CopyBits(new, (name,), replace(form, pads=conv.pads, border=level)))
        return new

    def _integers(self, name: str) -> str:
        """Integers (N, H, W, C) of the type that all steps but convolutions of bytes expect."""
        form = self.forms[name]
        if form.encoding is not None:
            new = self._derived(name, "ints")
            if new not in self.forms:
                self._add(s.Decode(new, (name,), Form(form.shape, flat=form.flat)))
            return new
        if not self._is_source(name):
            return name
        new = self._derived(name, "ints")
        if new not in self.forms:
            dtype = _dtype(self.graph.types[self.graph.input.name])
            self._add(s.CopyIntegers(new, (name,), replace(form, dtype=dtype)))
        return new

    def _is_source(self, name: str) -> bool:
        """Whether a tensor is the caller's array, (N, C, H, W)."""
        while isinstance(node := self.graph.by_name.get(name), g.Flatten):
            name = node.inputs[0]
        return name == self.graph.input.name

    def _flat_integers(self, name: str) -> str:
        """Integers (N, H, W, C), where C is really the tensor's first axis: flattened ones are reordered."""
        name = self._integers(name)
        form = self.forms[name]
        channels, height, width = form.shape
        if not form.flat or height * width == 1:
            return name
        new = self._derived(name, "flat")
        if new not in self.forms:
            flat = replace(form, shape=(channels * height * width, 1, 1), flat=False)
            reorder = lambda a: a[0].transpose(0, 3, 1, 2).reshape(a[0].shape[0], 1, 1, -1)  # noqa: E731
            self._add(s.Elementwise(new, (name,), flat, reorder))
        return new


def _image(shape: g.Shape) -> Image:
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


def _dtype(kind: g.TensorType) -> type[np.signedinteger[Any]]:
    return np.int32 if min(kind.low) >= -(2**31) and max(kind.high) < 2**31 - 1 else np.int64


def _source_dtype(node: g.Input) -> type[np.integer[Any]]:
    """The type in which the caller's array is handed over."""
    if node.dtype.min >= 0 and node.dtype.max <= 255:
        return np.uint8
    return np.int32 if node.dtype.min >= -(2**31) and node.dtype.max < 2**31 else np.int64
