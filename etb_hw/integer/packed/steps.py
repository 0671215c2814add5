"""The steps of a plan. Each, given the memory of a thread, becomes calls: compiled ones, or Python.

A compiled call is an operation of `loops` with its record; a Python call is a function of the batch's size.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from etb_hw.integer import nodes as g
from etb_hw.integer.packed import loops
from etb_hw.integer.packed.kernel import ByteKernel, Kernel, aligned, mismatch_table
from etb_hw.integer.packed.loops import PANEL, Operation
from etb_hw.integer.packed.memory import Array, Form, Image, Memory, Place, channels_first

Compiled = tuple[Operation, Array]
Python = Callable[[int], None]
Call = Compiled | Python


@dataclass(frozen=True, eq=False)
class Step(ABC):
    """Computes the tensor ``name``, of the form ``form``, from the tensors ``inputs``."""

    name: str
    inputs: tuple[str, ...]
    form: Form

    @abstractmethod
    def bind(self, memory: Memory) -> Iterable[Call]:
        """The calls that compute it; its array is added to the memory."""


@dataclass(frozen=True, eq=False)
class Alias(Step):
    """The input's array under another name and form."""

    def bind(self, memory: Memory) -> Iterable[Call]:
        memory.forms[self.name] = self.form
        memory.places[self.name] = memory.places[self.inputs[0]]
        if self.inputs[0] in memory.arrays:  # the network's input is wherever the caller has it
            memory.arrays[self.name] = memory.arrays[self.inputs[0]]
        return ()


@dataclass(frozen=True, eq=False)
class Window:
    """The geometry of a convolution.

    Attributes:
        shape: input (C, H, W) without borders; ``unit`` bytes hold one of its pixels.
        bytes: of a window in the panel, padding of the kernel's unrolling included.
        pool: max-pooling of the output, kernel = stride.
    """

    conv: g.Conv
    shape: Image
    unit: int
    bytes: int
    pool: g.Pair = (1, 1)

    @property
    def stride(self) -> int:
        """Panel row: whole cache lines, and one more for what the gather copies too much."""
        return (self.bytes + 63) // 64 * 64 + 64

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

    def fields(self, memory: Memory, start: int, image: int, row: int) -> dict[str, int]:
        """Fields of a convolution's record; ``start`` is the first window's address."""
        conv, (height, width) = self.conv, self.output
        outputs, _, kernel_y, kernel_x = conv.weights.shape
        down, right = conv.dilation[0] * row, conv.dilation[1] * self.unit
        if conv.dilation[1] == 1:  # pixels side by side are one run of bytes
            runs, run = [y * down for y in range(kernel_y)], kernel_x * self.unit
        else:
            runs, run = [y * down + x * right for y in range(kernel_y) for x in range(kernel_x)], self.unit
        size = 16 if run <= 16 else 32 if run <= 32 else 64  # long ones would often end in another cache line
        pieces = [
            (begin + offset, i * run + offset)
            for i, begin in enumerate(runs)
            for offset in range(0, run, size)
        ]
        padding = self.bytes - len(runs) * run
        return {
            "x": start,
            "image": image,
            "corner_y": conv.stride[0] * row,
            "corner_x": conv.stride[1] * self.unit,
            "height": height,
            "width": width,
            "pieces": len(pieces),
            "piece": size,
            "copies": memory.keep(np.array(pieces, dtype=np.int64)),
            "bytes": self.bytes,
            "keep": -1 if padding == 0 else (1 << 64 - 8 * padding) - 1,
            "stride": self.stride,
            "outputs": outputs,
            "pool_y": self.pool[0],
            "pool_x": self.pool[1],
        }


@dataclass(frozen=True, eq=False)
class Conv(Step):
    """What the convolutions of both kinds of kernel share: how they end.

    With ``limits`` the one-bit threshold (and pooling) is fused and the result is bits; otherwise it is
    int32, and the second input, if there is one, is added.
    """

    kernel: Kernel | ByteKernel
    window: Window
    flush: int
    bias: Array
    limits: Array | None

    @property
    def panel_bytes(self) -> int:
        paired = isinstance(self.kernel, Kernel) and self.kernel.paired
        # rows of pairs are as long as two rows of pixels
        return self.window.stride * PANEL * (2 if paired else 1)

    def _records(
        self, memory: Memory, products: list[tuple[int, int, int, Array, int]], shift: int
    ) -> Iterable[Call]:
        """Calls for products (start, image and row of the input, weights, factor) that are summed up."""
        place = memory.add(self.name, self.form)
        fused = self.limits is not None
        operation = loops.convolution(self.kernel)
        for i, (start, image, row, weights, factor) in enumerate(products):
            first, last = i == 0, i == len(products) - 1
            yield (
                operation,
                operation.record(
                    **self.window.fields(memory, start, image, row),
                    flush=self.flush,
                    fused=fused,
                    limits=self.limits.ctypes.data if self.limits is not None else 0,
                    out=place.start,
                    out_height=self.form.shape[1],
                    out_width=self.form.shape[2],
                    out_image=place.image,
                    out_row=place.row,
                    out_pixel=place.pixel,
                    factor=factor,
                    bias=self.bias.ctypes.data if first else 0,
                    other=memory.places[self.inputs[1]].start if first and len(self.inputs) > 1 else 0,
                    shift=shift if last else 0,
                    weights=weights.ctypes.data,
                    panel=memory.panel,
                    sums=memory.sums,
                    where=memory.where,
                    table=mismatch_table().ctypes.data,
                ),
            )


@dataclass(frozen=True, eq=False)
class BinaryConv(Conv):
    """XNOR-popcount convolution of bit planes with weight planes.

    The integer result is ``(bias + sum of factors[i, j] * mismatches(plane i, weight plane j)) >> shift``.
    """

    weights: tuple[Array, ...]
    factors: Array
    shift: int

    def bind(self, memory: Memory) -> Iterable[Call]:
        x = memory.places[self.inputs[0]]
        top, left = self.window.conv.pads[:2]
        corner = x.start - top * x.row - left * x.pixel
        products = [
            (corner + i * x.plane, x.image, x.row, weights, int(self.factors[i, j]))
            for i in range(len(self.factors))
            for j, weights in enumerate(self.weights)
        ]
        return self._records(memory, products, self.shift)


@dataclass(frozen=True, eq=False)
class ByteConv(Conv):
    """Convolution of 8-bit integers: ``x - offset`` is an unsigned byte, weights are signed bytes.

    The integer result is ``bias + sums``.
    """

    weights: Array
    offset: int

    def bind(self, memory: Memory) -> Iterable[Call]:
        x, window = memory.places[self.inputs[0]], self.window
        height, width = window.padded
        row = width * window.unit
        image = height * row
        dtype = memory.forms[self.inputs[0]].dtype
        buffer = aligned(memory.batch * image, np.uint8)
        start = memory.keep(buffer)
        if any(window.conv.pads):
            buffer[:] = window.conv.pad_value - self.offset
        top, left = window.conv.pads[:2]
        inside = Place(start + top * row + left * window.unit, 0, image, row, window.unit, 1)
        yield copied(window.shape, x, dtype, inside, np.uint8, self.offset)
        yield from self._records(memory, [(start, image, row, self.weights, 1)], 0)


def copied(shape: Image, x: Place, kind: Any, y: Place, to: Any, offset: int = 0) -> Compiled:
    """``y = x - offset`` between two places and element types."""
    operation = loops.convert(kind, to)
    axes = [("n", "image"), ("h", "row"), ("w", "pixel"), ("c", "channel")]
    channels, height, width = shape
    record = operation.record(
        x=x.start,
        y=y.start,
        **{f"x_{axis}": getattr(x, name) for axis, name in axes},
        **{f"y_{axis}": getattr(y, name) for axis, name in axes},
        height=height,
        width=width,
        channels=channels,
        offset=offset,
    )
    return operation, record


@dataclass(frozen=True, eq=False)
class CopyIntegers(Step):
    """Integers to another type of integers."""

    def bind(self, memory: Memory) -> Iterable[Call]:
        x, dtype = memory.places[self.inputs[0]], memory.forms[self.inputs[0]].dtype
        yield copied(self.form.shape, x, dtype, memory.add(self.name, self.form), self.form.dtype)


@dataclass(frozen=True, eq=False)
class CopyBits(Step):
    """Bits to a place with another border."""

    def bind(self, memory: Memory) -> Iterable[Call]:
        x, y = memory.places[self.inputs[0]], memory.add(self.name, self.form)
        assert self.form.encoding is not None
        _, height, width = self.form.shape
        for plane in range(self.form.encoding.planes):
            source, target = (p._replace(start=p.start + plane * p.plane) for p in (x, y))
            yield copied((x.pixel, height, width), source, np.uint8, target, np.uint8)


@dataclass(frozen=True, eq=False)
class UpsampleBits(Step):
    """Every pixel of bits to all of its places: a copy with wider strides for each of them."""

    node: g.Upsample

    def bind(self, memory: Memory) -> Iterable[Call]:
        x, y = memory.places[self.inputs[0]], memory.add(self.name, self.form)
        assert self.form.encoding is not None
        (_, height, width), (down, across) = memory.forms[self.inputs[0]].shape, self.node.factors
        wide = y._replace(row=y.row * down, pixel=y.pixel * across)
        for plane in range(self.form.encoding.planes):
            source = x._replace(start=x.start + plane * x.plane)
            for row in range(down):
                for column in range(across):
                    start = y.start + plane * y.plane + row * y.row + column * y.pixel
                    target = wide._replace(start=start)
                    yield copied((x.pixel, height, width), source, np.uint8, target, np.uint8)


@dataclass(frozen=True, eq=False)
class BitsToSpace(Step):
    """Whole bytes of every pixel to a pixel of their own: a copy for each place in a block."""

    node: g.DepthToSpace

    def bind(self, memory: Memory) -> Iterable[Call]:
        x, y = memory.places[self.inputs[0]], memory.add(self.name, self.form)
        assert self.form.encoding is not None
        (_, height, width), block = memory.forms[self.inputs[0]].shape, self.node.block
        wide = y._replace(row=y.row * block, pixel=y.pixel * block)
        for plane in range(self.form.encoding.planes):
            for row in range(block):
                for column in range(block):
                    part = x.start + plane * x.plane + (row * block + column) * y.pixel
                    start = y.start + plane * y.plane + row * y.row + column * y.pixel
                    source, target = x._replace(start=part), wide._replace(start=start)
                    yield copied((y.pixel, height, width), source, np.uint8, target, np.uint8)


@dataclass(frozen=True, eq=False)
class ToResult(Step):
    """Integers to the caller's int64 array (N, C, H, W)."""

    def bind(self, memory: Memory) -> Iterable[Call]:
        x, dtype = memory.places[self.inputs[0]], memory.forms[self.inputs[0]].dtype
        yield copied(self.form.shape, x, dtype, channels_first(self.form.shape, np.int64), np.int64)


@dataclass(frozen=True, eq=False)
class FloatConv(Step):
    """Any other convolution, by BLAS in a float type that is wide enough to be exact (or in int64)."""

    conv: g.Conv
    dtype: np.dtype[Any]

    def bind(self, memory: Memory) -> Iterable[Call]:
        x = memory.arrays[self.inputs[0]]
        memory.add(self.name, self.form)
        y = memory.arrays[self.name]

        def call(batch: int) -> None:
            y[:batch] = self._products(x[:batch])

        return (call,)

    def _products(self, values: Array) -> Array:
        conv = self.conv
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
        rows: Array = sums.transpose(1, 0, 2).reshape(batch, height, width, outputs)
        return rows


@dataclass(frozen=True, eq=False)
class ThresholdLevels(Step):
    """Integers of a threshold: ``low + step * levels``; thresholds are int64 (C, T)."""

    thresholds: Array
    low: int
    step: int

    def bind(self, memory: Memory) -> Iterable[Call]:
        operation = loops.threshold_levels(memory.forms[self.inputs[0]].dtype)
        channels, height, width = self.form.shape
        record = operation.record(
            x=memory.places[self.inputs[0]].start,
            y=memory.add(self.name, self.form).start,
            pixels=height * width,
            channels=channels,
            limits=self.thresholds.ctypes.data,
            count=self.thresholds.shape[1],
            low=self.low,
            step=self.step,
        )
        yield operation, record


@dataclass(frozen=True, eq=False)
class ThresholdBits(Step):
    """Bit planes of a threshold's levels; ``thresholds`` are int32 (T, C rounded up to 64)."""

    thresholds: Array

    def bind(self, memory: Memory) -> Iterable[Call]:
        operation = loops.threshold_bits()
        record = operation.record(
            x=memory.places[self.inputs[0]].start,
            limits=self.thresholds.ctypes.data,
            count=self.thresholds.shape[0],
            **_planes(self.form, memory.add(self.name, self.form)),
        )
        yield operation, record


def _planes(form: Form, y: Place) -> dict[str, int]:
    """Fields of a record that deals with the bit planes ``y``."""
    assert form.encoding is not None
    channels, height, width = form.shape
    return {
        "channels": channels,
        "height": height,
        "width": width,
        "planes": form.encoding.planes,
        "y": y.start,
        "y_plane": y.plane,
        "y_image": y.image,
        "y_row": y.row,
        "y_pixel": y.pixel,
    }


@dataclass(frozen=True, eq=False)
class Encode(Step):
    """Int32 to bit planes."""

    def bind(self, memory: Memory) -> Iterable[Call]:
        encoding = self.form.encoding
        assert encoding is not None
        operation = loops.encode()
        record = operation.record(
            x=memory.places[self.inputs[0]].start,
            low=encoding.low,
            step=encoding.step,
            **_planes(self.form, memory.add(self.name, self.form)),
        )
        yield operation, record


@dataclass(frozen=True, eq=False)
class Decode(Step):
    """Bit planes to int32."""

    def bind(self, memory: Memory) -> Iterable[Call]:
        source = memory.forms[self.inputs[0]]
        assert source.encoding is not None
        operation = loops.decode()
        record = operation.record(
            x=memory.add(self.name, self.form).start,
            low=source.encoding.low,
            step=source.encoding.step,
            **_planes(source, memory.places[self.inputs[0]]),
        )
        yield operation, record


@dataclass(frozen=True, eq=False)
class PoolBits(Step):
    """Max-pool of one-bit values."""

    pool: g.MaxPool

    def bind(self, memory: Memory) -> Iterable[Call]:
        x, shape = memory.places[self.inputs[0]], memory.forms[self.inputs[0]].shape
        y = memory.add(self.name, self.form)
        operation = loops.pool_bits()
        record = operation.record(
            x=x.start,
            x_image=x.image,
            x_row=x.row,
            height=shape[1],
            width=shape[2],
            unit=x.pixel,
            kernel_y=self.pool.kernel[0],
            kernel_x=self.pool.kernel[1],
            stride_y=self.pool.stride[0],
            stride_x=self.pool.stride[1],
            top=self.pool.pads[0],
            left=self.pool.pads[1],
            y=y.start,
            y_image=y.image,
            y_row=y.row,
            out_height=self.form.shape[1],
            out_width=self.form.shape[2],
        )
        yield operation, record


@dataclass(frozen=True, eq=False)
class Elementwise(Step):
    """A numpy function of integer tensors (N, H, W, C)."""

    function: Callable[[list[Array]], Array] = field(repr=False)

    def bind(self, memory: Memory) -> Iterable[Call]:
        args = [memory.arrays[name] for name in self.inputs]
        memory.add(self.name, self.form)
        y = memory.arrays[self.name]

        def call(batch: int) -> None:
            y[:batch] = self.function([x[:batch] for x in args])

        return (call,)


def pool_integers(pool: g.MaxPool, x: Array) -> Array:
    top, left, bottom, right = pool.pads
    lowest = np.iinfo(x.dtype).min
    x = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=lowest)
    views = np.lib.stride_tricks.sliding_window_view(x, pool.kernel, axis=(1, 2))
    return np.asarray(views[:, :: pool.stride[0], :: pool.stride[1]].max(axis=(-2, -1)))
