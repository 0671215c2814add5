"""The compiled operations: convolve, threshold, pool, encode, decode, and copies between layouts.

A bit tensor is bytes (planes, N, H, W, ceil(C / 8)), channel 0 in bit 0 of byte 0, unused bits 0; integers
lie as (N, H, W, C). Either may lie inside a larger array (borders), so operations know addresses and
strides, all in bytes.

Each operation reads its arguments from a record of 64-bit fields that is prepared once, and all have one
signature: that is what lets one compiled call (`execute`) run a whole network. They release the
interpreter lock, allocate nothing and may run in several threads at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numba
import numpy as np
from numba import carray, types

from etb_hw.integer.packed.emit import (
    at,
    bits_below,
    bits_reaching,
    call,
    copy,
    mix64,
    pair64,
    put_word,
    tile,
)
from etb_hw.integer.packed.kernel import BLOCK, VECTORS, ByteKernel, Kernel, cache_key

PANEL = 24
"""Output pixels of a panel, a multiple of every kernel's tile."""


@dataclass(frozen=True, eq=False)
class Operation:
    """A compiled function ``(record, batch, source, target)`` and the names of its record's fields.

    ``source`` and ``target`` are the addresses of the network's input and result; few operations use them.
    """

    address: int
    fields: tuple[str, ...]
    compiled: Any

    def record(self, **values: int) -> np.ndarray[Any, Any]:
        """The arguments of one use, int64 in the order of the fields."""
        assert values.keys() == set(self.fields), set(self.fields) ^ values.keys()
        return np.array([int(values[name]) for name in self.fields], dtype=np.int64)


def _operation(fields: str, function: Callable[..., None]) -> Operation:
    names = tuple(fields.split())
    record = numba.from_dtype(np.dtype([(name, np.int64) for name in names]))
    signature = types.void(types.CPointer(record), types.int64, types.int64, types.int64)
    try:
        compiled = numba.cfunc(signature, cache=True)(function)
    except RuntimeError:  # neither the package's folder nor a user cache can be written
        compiled = numba.cfunc(signature)(function)
    return Operation(compiled.address, names, compiled)


def _execute(program, batch, source, target):  # type: ignore[no-untyped-def]
    """Run a program: int64 rows of an operation's address and its record's; flat arrays in and out."""
    for i in range(program.shape[0]):
        call(program[i, 0], program[i, 1], batch, source.ctypes.data, target.ctypes.data)


@cache
def executor() -> Any:
    """The compiled `_execute`."""
    try:
        return numba.njit(nogil=True, cache=True)(_execute)
    except RuntimeError:
        return numba.njit(nogil=True)(_execute)


@cache
def convolution(kernel: Kernel | ByteKernel) -> Operation:
    """A convolution with a fused end: one-bit thresholds and max-pooling, or integers.

    Fields: ``x`` is the first window's address; the window of an output pixel begins ``corner_y``,
    ``corner_x`` and ``image`` bytes after its neighbours'. In the panel a window takes ``bytes``, its padding
    included, and ``stride`` from one to the next. It is gathered in ``pieces`` of ``piece`` bytes: ``copies``
    (pieces, 2) says how far each lies behind the corner, and behind the row's begin. Of the row's last
    eight bytes those bits stay that are set in ``keep``. ``flush`` groups of weights are a chunk.

    With ``fused``, an output bit is 1 where mismatches are below ``limits`` (uint16), or sums reach them
    (int32), and is pooled over ``pool_y`` x ``pool_x`` into the tensor at ``out``, of ``out_height`` x
    ``out_width`` pixels and the strides ``out_image``, ``out_row``, ``out_pixel``. Otherwise ``out`` is int32
    (N, H, W, outputs) and gets ``(there + factor * result) >> shift``, where ``there`` is what is in it, or
    where ``bias`` is not 0, bias[outputs]; ``other``, an array like ``out``, is added if it is not 0.
    ``panel``, ``sums`` (PANEL, BLOCK) and ``where`` (3, PANEL) are scratch; ``table`` is the mismatch table.
    """
    key = cache_key(kernel.name)
    binary = isinstance(kernel, Kernel)
    paired = isinstance(kernel, Kernel) and kernel.paired
    words = isinstance(kernel, Kernel) and kernel.words
    group = kernel.group if isinstance(kernel, Kernel) else 32  # bits that meet a lane's weights at once
    lane = max(8, group) // 8  # bytes of a weight lane
    step = lane if not paired else 1  # bytes of a panel row that a group takes
    result = 2 if binary else 4  # bytes of a result
    kind = np.uint16 if binary else np.int32
    lanes = kernel.lanes
    smallest = kernel.pixels[-1]

    def convolve(pointer, batch, source, target):  # type: ignore[no-untyped-def]
        r = carray(pointer, 1)[0]
        stride, window = r.stride, r.bytes
        groups = window * 8 // group
        fused = r.fused != 0
        width, height, pool_y, pool_x = r.width, r.height, r.pool_y, r.pool_x
        corner_x, out_pixel = r.corner_x, r.out_pixel
        outputs, flush, factor, shift = r.outputs, r.flush, r.factor, r.shift
        where = carray(at(r.where), (3, PANEL), np.int64)
        pieces, size = r.pieces, r.piece
        copies = carray(at(r.copies), (pieces, 2), np.int64)
        sums = carray(at(r.sums), (PANEL, BLOCK), kind)
        integers = carray(at(r.out), (batch * height * width, outputs), np.int32)
        bias = carray(at(r.bias), outputs, np.int32)
        other = carray(at(r.other), (batch * height * width, outputs), np.int32)
        image = y = column = first = 0
        pooled_y = pooled_x = 0  # place in the pool's window
        out_y = out_x = 0
        corner, out = r.x, r.out
        while image < batch:
            # 1. where the next pixels come from and go to (counters: divisions would cost as much as a tile)
            used = 0
            while used < PANEL and image < batch:
                many = min(PANEL - used, width - column)
                inside = r.out_width if out_y < r.out_height else 0
                for p in range(used, used + many):
                    where[0, p] = corner
                    where[1, p] = out if out_x < inside else 0
                    where[2, p] = 0 if pooled_y == 0 and pooled_x == 0 else -1  # or to what is there
                    corner += corner_x
                    pooled_x += 1
                    if pooled_x == pool_x:
                        pooled_x = 0
                        out_x += 1
                        out += out_pixel
                used += many
                column += many
                if column == width:
                    column = pooled_x = out_x = 0
                    y += 1
                    pooled_y += 1
                    if pooled_y == pool_y:
                        pooled_y = 0
                        out_y += 1
                    if y == height:
                        y = pooled_y = out_y = 0
                        image += 1
                    corner = r.x + image * r.image + y * r.corner_y
                    out = r.out + image * r.out_image + out_y * r.out_row

            # 2. gather the windows; the last pixel repeats up to a whole tile
            tiled = (used + smallest - 1) // smallest * smallest
            for p in range(used, tiled):
                where[0, p] = where[0, used - 1]
            for i in range(pieces):
                # bytes too many are taken by the next piece, or the row's slack
                row = r.panel + copies[i, 1]
                if size == 64:
                    for p in range(tiled):
                        copy(64, where[0, p] + copies[i, 0], row + p * stride)
                elif size == 32:
                    for p in range(tiled):
                        copy(32, where[0, p] + copies[i, 0], row + p * stride)
                else:
                    for p in range(tiled):
                        copy(16, where[0, p] + copies[i, 0], row + p * stride)
            if r.keep != -1:
                row = r.panel + window - 8
                for _ in range(tiled):
                    put_word(row, np.uint64(0), np.uint64(r.keep))
                    row += stride
            if words:  # see `emit._words`
                third = groups // 3 * 8
                for offset in range(0, third, 64):  # up to 63 bytes too many again
                    row = r.panel + groups % 3 * 8 + offset
                    for _ in range(tiled):
                        mix64(row, row + third, row + 2 * third)
                        row += stride
            panel = r.panel
            if paired:  # rows of two pixels: all low nibbles, then all high ones
                panel += PANEL * stride
                for p in range(0, tiled, 2):
                    one = r.panel + p * stride
                    row = panel + p * stride
                    for high in range(2):
                        for offset in range(0, window, 64):
                            pair64(
                                one + offset, one + stride + offset, high == 1, row + high * window + offset
                            )

            for block in range((outputs + BLOCK - 1) // BLOCK):
                # 3. multiply; chunks of weights stay in L1 while all the panel's pixels meet them
                here = min(BLOCK, outputs - block * BLOCK)
                vectors = (here + lanes - 1) // lanes
                for begin in range(0, groups, flush):
                    chunk = min(flush, groups - begin)
                    for vector in range(0, vectors, VECTORS):
                        wide = min(VECTORS, vectors - vector)
                        skipped = (block * BLOCK + vector * lanes) * groups + begin * wide * lanes
                        pixel = 0
                        while pixel < used:
                            pixel += tile(
                                key,
                                panel + pixel * stride + begin * step,
                                stride * 2 if paired else stride,
                                r.weights + skipped * lane,
                                chunk,
                                r.sums + (pixel * BLOCK + vector * lanes) * result,
                                tiled - pixel,
                                wide,
                                begin == 0,
                                r.table,
                            )

                # 4. finish: integers, or bits by thresholds
                if not fused:
                    columns = slice(block * BLOCK, block * BLOCK + here)
                    for p in range(used):
                        row, more, found = integers[first + p, columns], other[first + p, columns], sums[p]
                        if r.bias != 0:
                            for c in range(here):
                                row[c] = bias[block * BLOCK + c]
                        if r.other != 0:
                            for c in range(here):
                                row[c] += more[c]
                        for c in range(here):
                            row[c] += factor * found[c]
                        if shift != 0:  # a loop of its own, or all of this would take 64-bit arithmetic
                            for c in range(here):
                                row[c] >>= shift
                    continue
                for half in range((here + 63) // 64):
                    left = min(8, out_pixel - block * (BLOCK // 8) - half * 8)
                    # bytes beyond the pixel's end belong to the next
                    outside = np.uint64(0) if left == 8 else ~np.uint64(0) << np.uint64(8 * left)
                    limits = r.limits + (block * BLOCK + half * 64) * result
                    for p in range(used):
                        if where[1, p] != 0:
                            counts = r.sums + (p * BLOCK + half * 64) * result
                            found = bits_below(counts, limits) if binary else bits_reaching(counts, limits)
                            place = where[1, p] + block * (BLOCK // 8) + half * 8
                            put_word(place, found, outside | np.uint64(where[2, p]))
            first += used

    fields = (
        "x image corner_y corner_x height width pieces piece copies bytes keep stride outputs flush "
        "fused limits pool_y pool_x out out_height out_width out_image out_row out_pixel "
        "factor bias other shift weights panel sums where table"
    )
    return _operation(fields, convolve)


@cache
def convert(kind: type[np.generic], to: type[np.generic]) -> Operation:
    """Copy tensors between layouts and element types: ``y = x - offset``.

    Strides of axes (n, h, w, c) are in bytes; an address of 0 is the network's input or its result.
    """
    key = cache_key("copy")
    x_size, y_size = np.dtype(kind).itemsize, np.dtype(to).itemsize

    def copy_tensor(pointer, batch, source, target):  # type: ignore[no-untyped-def]
        key  # noqa: B018
        r = carray(pointer, 1)[0]
        begin = r.x if r.x != 0 else source
        end = r.y if r.y != 0 else target
        channels, width, offset = r.channels, r.width, r.offset
        x_w, x_c, y_w, y_c = r.x_w, r.x_c, r.y_w, r.y_c
        contiguous = x_c == x_size and y_c == y_size
        for n in range(batch):
            for i in range(r.height):
                x = begin + n * r.x_n + i * r.x_h
                y = end + n * r.y_n + i * r.y_h
                if contiguous:
                    for j in range(width):
                        values = carray(at(x + j * r.x_w), channels, kind)
                        copies = carray(at(y + j * r.y_w), channels, to)
                        for c in range(channels):
                            copies[c] = values[c] - offset
                else:
                    for c in range(channels):
                        for j in range(width):
                            value = carray(at(x + j * x_w + c * x_c), 1, kind)[0]
                            carray(at(y + j * y_w + c * y_c), 1, to)[0] = value - offset

    return _operation("x x_n x_h x_w x_c y y_n y_h y_w y_c height width channels offset", copy_tensor)


@cache
def threshold_levels(kind: type[np.generic]) -> Operation:
    """Int32 ``low + step * level`` of integers (``pixels``, C) of a type.

    The level is how many of the channel's ``limits``, int64 (C, ``count``), are reached.
    """
    key = cache_key("levels")

    def threshold(pointer, batch, source, target):  # type: ignore[no-untyped-def]
        key  # noqa: B018
        r = carray(pointer, 1)[0]
        x = carray(at(r.x), (batch * r.pixels, r.channels), kind)
        y = carray(at(r.y), (batch * r.pixels, r.channels), np.int32)
        limits = carray(at(r.limits), (r.channels, r.count), np.int64)
        count = r.count
        for n in range(batch * r.pixels):
            for c in range(r.channels):
                # thresholds rise: bisect
                low, high = 0, count
                while low < high:
                    middle = (low + high) // 2
                    if x[n, c] >= limits[c, middle]:
                        low = middle + 1
                    else:
                        high = middle
                y[n, c] = r.low + r.step * low

    return _operation("x y pixels channels limits count low step", threshold)


@cache
def threshold_bits() -> Operation:
    """Bit planes of the levels of int32 (N, H, W, C) at ``x``.

    ``limits`` is int32 (``count``, words * 64). Each threshold gives a word of bits for 64 channels; a
    counter of bit slices, one a plane, counts them for all 64 at once.
    """
    key = cache_key("bits")

    def threshold(pointer, batch, source, target):  # type: ignore[no-untyped-def]
        key  # noqa: B018
        r = carray(pointer, 1)[0]
        channels, pixel, count, planes = r.channels, r.y_pixel, r.count, r.planes
        words = (channels + 63) // 64
        x = r.x
        for n in range(batch):
            for i in range(r.height):
                for j in range(r.width):
                    y = r.y + n * r.y_image + i * r.y_row + j * pixel
                    for word in range(words):
                        valid = ~np.uint64(0)
                        if channels - word * 64 < 64:  # the array's slack is read, and forgotten
                            valid >>= np.uint64(64 - (channels - word * 64))
                        left = min(8, pixel - word * 8)
                        outside = np.uint64(0) if left == 8 else ~np.uint64(0) << np.uint64(8 * left)
                        for plane in range(planes):
                            put_word(y + plane * r.y_plane + word * 8, np.uint64(0), outside)
                        for t in range(count):
                            limits = r.limits + (t * words + word) * 256
                            carry = bits_reaching(x + word * 256, limits) & valid
                            for plane in range(planes):
                                place = y + plane * r.y_plane + word * 8
                                old = carray(at(place), 1, np.uint64)[0]
                                put_word(place, (old ^ carry) & ~outside, outside)
                                carry &= old
                    x += channels * 4

    return _operation(
        "x channels height width limits count planes y y_plane y_image y_row y_pixel", threshold
    )


@cache
def encode() -> Operation:
    """Bit planes of the levels (x - low) / step of int32 (N, H, W, C)."""
    key = cache_key("encode")

    def pack(pointer, batch, source, target):  # type: ignore[no-untyped-def]
        key  # noqa: B018
        r = carray(pointer, 1)[0]
        low, step, channels = r.low, r.step, r.channels
        x = carray(at(r.x), (batch, r.height, r.width, channels), np.int32)
        for plane in range(r.planes):
            for n in range(batch):
                for i in range(r.height):
                    for j in range(r.width):
                        place = r.y + plane * r.y_plane + n * r.y_image + i * r.y_row + j * r.y_pixel
                        y = carray(at(place), r.y_pixel, np.uint8)
                        for byte in range(r.y_pixel):
                            bits = 0
                            for c in range(byte * 8, min(channels, byte * 8 + 8)):
                                level = (x[n, i, j, c] - low) // step
                                bits |= (level >> plane & 1) << (c - byte * 8)
                            y[byte] = bits

    return _operation("x channels height width low step planes y y_plane y_image y_row y_pixel", pack)


@cache
def decode() -> Operation:
    """Int32 (N, H, W, C) of bit planes: the inverse of encode."""
    key = cache_key("decode")

    def unpack(pointer, batch, source, target):  # type: ignore[no-untyped-def]
        key  # noqa: B018
        r = carray(pointer, 1)[0]
        channels = r.channels
        x = carray(at(r.x), (batch, r.height, r.width, channels), np.int32)
        for n in range(batch):
            for i in range(r.height):
                for j in range(r.width):
                    place = r.y + n * r.y_image + i * r.y_row + j * r.y_pixel
                    for c in range(channels):
                        level = 0
                        for plane in range(r.planes):
                            byte = carray(at(place + plane * r.y_plane + c // 8), 1, np.uint8)[0]
                            level |= (byte >> (c % 8) & 1) << plane
                        x[n, i, j, c] = r.low + r.step * level

    return _operation("x channels height width low step planes y y_plane y_image y_row y_pixel", unpack)


@cache
def pool_bits() -> Operation:
    """Max-pool one-bit pixels of ``unit`` bytes: the OR over each window, borders left out."""
    key = cache_key("pool")

    def pool(pointer, batch, source, target):  # type: ignore[no-untyped-def]
        key  # noqa: B018
        r = carray(pointer, 1)[0]
        for n in range(batch):
            for i in range(r.out_height):
                for j in range(r.out_width):
                    y = carray(at(r.y + n * r.y_image + i * r.y_row + j * r.unit), r.unit, np.uint8)
                    y[:] = 0
                    top, left = i * r.stride_y - r.top, j * r.stride_x - r.left
                    for row in range(max(0, top), min(r.height, top + r.kernel_y)):
                        for column in range(max(0, left), min(r.width, left + r.kernel_x)):
                            place = r.x + n * r.x_image + row * r.x_row + column * r.unit
                            x = carray(at(place), r.unit, np.uint8)
                            for byte in range(r.unit):
                                y[byte] |= x[byte]

    return _operation(
        "x x_image x_row height width unit kernel_y kernel_x stride_y stride_x top left "
        "y y_image y_row out_height out_width",
        pool,
    )
