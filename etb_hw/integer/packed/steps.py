"""The steps of a compiled plan: each turns runtime arrays into the next one, with scratch from a workspace.

Runtime arrays are uint64 bit planes (planes, N, H, W, words) or integers (N, H, W, C).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etb_hw.integer import graph as g
from etb_hw.integer.packed.kernel import BLOCK, aligned
from etb_hw.integer.packed.layout import Encoding
from etb_hw.integer.packed.loops import PANEL, Geometry, Loops

Array = NDArray[Any]
Image = tuple[int, int, int]


class Workspace:
    """Scratch arrays of one thread, kept from chunk to chunk (a chunk and a shorter last one)."""

    def __init__(self) -> None:
        self._arrays: dict[tuple[int, object, str], Any] = {}
        self._batches: list[int] = []

    def begin(self, batch: int) -> None:
        if batch not in self._batches:
            self._batches = [*self._batches[-1:], batch]
            self._arrays = {key: a for key, a in self._arrays.items() if key[0] in self._batches}

    def get(self, batch: int, owner: object, use: str, make: Callable[[], Any]) -> Any:
        key = (batch, owner, use)
        if key not in self._arrays:
            self._arrays[key] = make()
        return self._arrays[key]


@dataclass(frozen=True, eq=False)
class Step(ABC):
    """Computes the array ``name`` from the arrays ``inputs``."""

    name: str
    inputs: tuple[str, ...]

    @abstractmethod
    def run(self, args: list[Array], work: Workspace) -> Array: ...


def words_of(channels: int) -> int:
    return -(-channels // 64)


def new_bits(shape: Image, planes: int, batch: int) -> Array:
    channels, height, width = shape
    return np.zeros((planes, batch, height, width, words_of(channels)), dtype=np.uint64)


@dataclass(frozen=True, eq=False)
class Window:
    """The geometry of a convolution before the batch is known.

    Attributes:
        shape: input (C, H, W) without borders; ``unit`` bytes hold one of its pixels.
        groups: byte groups of a packed window, padding of the kernel's unrolling included.
        flush: byte groups a chunk of weights.
        pool: max-pooling of the output, kernel = stride.
    """

    conv: g.Conv
    shape: Image
    unit: int
    groups: int
    flush: int
    pool: g.Pair = (1, 1)

    @property
    def padded(self) -> tuple[int, int]:
        top, left, bottom, right = self.conv.pads
        return self.shape[1] + top + bottom, self.shape[2] + left + right

    @property
    def output(self) -> tuple[int, int]:
        """Height and width before pooling."""
        sizes = zip(
            self.padded, self.conv.weights.shape[2:], self.conv.stride, self.conv.dilation, strict=True
        )
        height, width = ((size - d * (k - 1) - 1) // s + 1 for size, k, s, d in sizes)
        return height, width

    def geometry(self, batch: int) -> Geometry:
        conv, (height, width) = self.conv, self.padded
        outputs, _, kernel_y, kernel_x = conv.weights.shape
        row = width * self.unit
        dense_x = conv.dilation[1] == 1
        return Geometry(
            batch=batch,
            height=self.output[0],
            width=self.output[1],
            image=height * row,
            corner_y=conv.stride[0] * row,
            corner_x=conv.stride[1] * self.unit,
            runs=kernel_y if dense_x else kernel_y * kernel_x,
            run=kernel_x * self.unit if dense_x else self.unit,
            across=1 if dense_x else kernel_x,
            step_y=conv.dilation[0] * row,
            step_x=conv.dilation[1] * self.unit,
            groups=self.groups,
            outputs=outputs,
            pool_y=self.pool[0],
            pool_x=self.pool[1],
            flush=self.flush,
        )

    def buffer(self, batch: int, border: Array) -> Array:
        """The expanded input, its borders already filled with ``border``, the bytes of one pixel."""
        height, width = self.padded
        # the gather reads up to 64 bytes past the end, which `aligned` allows
        flat = aligned(batch * height * width * self.unit, np.uint8)
        out = flat.reshape(batch, height, width, self.unit)
        if any(self.conv.pads):
            out[:] = border
        return out

    def inside(self, buffer: Array) -> Array:
        top, left = self.conv.pads[:2]
        return buffer[:, top : top + self.shape[1], left : left + self.shape[2]]


@dataclass(frozen=True, eq=False)
class BinaryConv(Step):
    """XNOR-popcount convolution of bit planes with weight planes.

    With ``limits`` the one-bit threshold (and pooling) is fused and the result is bits; otherwise it is
    int32: ``(bias + sum of factors[i, j] * mismatches(plane i, weight plane j)) >> shift``.
    """

    loops: Loops
    window: Window
    weights: tuple[Array, ...]
    borders: tuple[Array, ...]
    factors: Array
    bias: Array
    shift: int
    table: int
    panel_bytes: int
    limits: Array | None

    def run(self, args: list[Array], work: Workspace) -> Array:
        (bits,) = args
        batch = bits.shape[1]
        bound: _Bound = work.get(batch, self, "bound", lambda: self._bind(work, batch))
        top, left = self.window.conv.pads[:2]
        if self.limits is None:
            bound.sums[:] = self.bias
        for i, x in enumerate(bound.inputs):
            self.loops.expand(bits[i], x, top, left)
            for j, weights in enumerate(self.weights):
                factor = 0 if self.limits is not None else int(self.factors[i, j])
                self.loops.binary(x, weights, bound.limits, factor, *bound.rest, self.table)
        if self.shift:
            np.right_shift(bound.sums, self.shift, out=bound.sums)
        return bound.result

    def _bind(self, work: Workspace, batch: int) -> _Bound:
        inputs = [self.window.buffer(batch, border) for border in self.borders]
        return _bind(work, self.window, batch, inputs, self.limits, np.uint16, self.panel_bytes)


@dataclass(frozen=True, eq=False)
class _Bound:
    """The arrays of a convolution for one batch size; ``rest`` are its loop's later arguments."""

    inputs: list[Array]
    limits: Array
    sums: Array
    rest: tuple[Any, ...]
    result: Array


def _bind(
    work: Workspace,
    window: Window,
    batch: int,
    inputs: list[Array],
    limits: Array | None,
    kind: type[np.generic],
    panel_bytes: int,
) -> _Bound:
    geometry = window.geometry(batch)
    height, width = window.output
    outputs = geometry.outputs
    fused = limits is not None
    bits = new_bits(
        (outputs, height // window.pool[0], width // window.pool[1]) if fused else (1, 1, 1), 1, batch
    )
    sums = np.empty((batch * height * width, outputs) if not fused else (1, 1), dtype=np.int32)
    # the panel's results, and where its pixels come from and go to, serve all layers
    partial = work.get(batch, kind, "partial", lambda: aligned(PANEL * BLOCK, kind).reshape(PANEL, BLOCK))
    where = work.get(batch, None, "where", lambda: np.empty((2, PANEL), dtype=np.int64))
    panel = aligned(panel_bytes, np.uint8)
    return _Bound(
        inputs=inputs,
        limits=limits if limits is not None else np.zeros(1, dtype=kind),
        sums=sums,
        rest=(panel, partial, where, bits[0], sums, geometry),
        result=bits if fused else sums.reshape(batch, height, width, outputs),
    )


@dataclass(frozen=True, eq=False)
class ByteConv(Step):
    """Convolution of 8-bit integers: ``x - offset`` is an unsigned byte, weights are signed bytes.

    With ``limits`` the result is bits, otherwise int32 ``bias + sums``.
    """

    loops: Loops
    window: Window
    weights: Array
    offset: int
    bias: Array
    panel_bytes: int
    limits: Array | None

    def run(self, args: list[Array], work: Workspace) -> Array:
        (values,) = args
        batch = values.shape[0]
        bound: _Bound = work.get(batch, self, "bound", lambda: self._bind(work, batch))
        (x,) = bound.inputs
        inside = self.window.inside(x)
        if self.offset:
            np.subtract(values, self.offset, out=inside, casting="unsafe")
        else:
            np.copyto(inside, values, casting="unsafe")
        if self.limits is None:
            bound.sums[:] = self.bias
        factor = 0 if self.limits is not None else 1
        self.loops.bytewise(x, self.weights, bound.limits, factor, *bound.rest, 0)
        return bound.result

    def _bind(self, work: Workspace, batch: int) -> _Bound:
        window = self.window
        border = np.full(window.unit, window.conv.pad_value - self.offset if any(window.conv.pads) else 0)
        inputs = [window.buffer(batch, border)]
        return _bind(work, window, batch, inputs, self.limits, np.int32, self.panel_bytes)


@dataclass(frozen=True, eq=False)
class FloatConv(Step):
    """Any other convolution, by BLAS in a float type that is wide enough to be exact (or in int64)."""

    conv: g.Conv
    dtype: np.dtype[Any]
    result: np.dtype[Any]

    def run(self, args: list[Array], work: Workspace) -> Array:
        conv, (values,) = self.conv, args
        top, left, bottom, right = conv.pads
        x = np.pad(
            values.astype(self.dtype),
            ((0, 0), (top, bottom), (left, right), (0, 0)),
            constant_values=conv.pad_value,
        )
        outputs, _, kernel_y, kernel_x = conv.weights.shape
        reach = ((kernel_y - 1) * conv.dilation[0] + 1, (kernel_x - 1) * conv.dilation[1] + 1)
        views = np.lib.stride_tricks.sliding_window_view(x, reach, axis=(1, 2))
        views = views[:, :: conv.stride[0], :: conv.stride[1], :, :: conv.dilation[0], :: conv.dilation[1]]
        batch, height, width = views.shape[:3]
        columns = views.reshape(batch * height * width, conv.groups, -1).transpose(1, 0, 2)
        filters = conv.weights.astype(self.dtype).reshape(conv.groups, outputs // conv.groups, -1)
        sums = columns @ filters.transpose(0, 2, 1)  # (groups, pixels, outputs a group)
        rows = sums.transpose(1, 0, 2).reshape(batch, height, width, outputs)
        return np.asarray(rows, dtype=self.result)


@dataclass(frozen=True, eq=False)
class ThresholdLevels(Step):
    """Integers of a threshold: ``low + step * levels``; ``kind`` holds the values before it."""

    loops: Loops
    thresholds: Array
    low: int
    step: int
    kind: type[np.generic]

    def run(self, args: list[Array], work: Workspace) -> Array:
        x = np.ascontiguousarray(args[0], dtype=self.kind)
        out: Array = work.get(x.shape[0], self, "levels", lambda: np.empty(x.shape, dtype=np.int32))
        self.loops.threshold(x, self.thresholds, out)
        if self.step != 1:
            out *= self.step
        if self.low:
            out += self.low
        return out


@dataclass(frozen=True, eq=False)
class ThresholdBits(Step):
    """Bit planes of a threshold's levels; ``thresholds`` are int32 (T, words * 64)."""

    loops: Loops
    thresholds: Array
    shape: Image
    planes: int

    def run(self, args: list[Array], work: Workspace) -> Array:
        x = np.ascontiguousarray(args[0], dtype=np.int32)
        batch = x.shape[0]
        out: Array = work.get(batch, self, "bits", lambda: new_bits(self.shape, self.planes, batch))
        self.loops.threshold_bits(x, self.thresholds, out)
        return out


@dataclass(frozen=True, eq=False)
class Encode(Step):
    """Integers to bit planes."""

    loops: Loops
    encoding: Encoding
    shape: Image

    def run(self, args: list[Array], work: Workspace) -> Array:
        x = np.ascontiguousarray(args[0], dtype=np.int32)
        batch = x.shape[0]
        out: Array = work.get(batch, self, "bits", lambda: new_bits(self.shape, self.encoding.planes, batch))
        self.loops.encode(x, self.encoding.low, self.encoding.step, out)
        return out


@dataclass(frozen=True, eq=False)
class Decode(Step):
    """Bit planes to integers."""

    loops: Loops
    encoding: Encoding
    shape: Image

    def run(self, args: list[Array], work: Workspace) -> Array:
        (bits,) = args
        batch = bits.shape[1]
        channels, height, width = self.shape
        out: Array = work.get(
            batch, self, "ints", lambda: np.empty((batch, height, width, channels), np.int32)
        )
        self.loops.decode(bits, self.encoding.low, self.encoding.step, out)
        return out


@dataclass(frozen=True, eq=False)
class PoolBits(Step):
    """Max-pool of one-bit values."""

    loops: Loops
    pool: g.MaxPool
    shape: Image

    def run(self, args: list[Array], work: Workspace) -> Array:
        (bits,) = args
        batch = bits.shape[1]
        out: Array = work.get(batch, self, "bits", lambda: new_bits(self.shape, 1, batch))
        pads = self.pool.pads
        self.loops.pool_bits(bits[0], out[0], *self.pool.kernel, *self.pool.stride, pads[0], pads[1])
        return out


@dataclass(frozen=True, eq=False)
class Elementwise(Step):
    """A numpy function of integer tensors (N, H, W, C)."""

    function: Callable[[list[Array]], Array] = field(repr=False)

    def run(self, args: list[Array], work: Workspace) -> Array:
        return self.function(args)


def pool_integers(pool: g.MaxPool, x: Array) -> Array:
    top, left, bottom, right = pool.pads
    lowest = np.iinfo(x.dtype).min
    x = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=lowest)
    views = np.lib.stride_tricks.sliding_window_view(x, pool.kernel, axis=(1, 2))
    return np.asarray(views[:, :: pool.stride[0], :: pool.stride[1]].max(axis=(-2, -1)))
