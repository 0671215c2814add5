"""The compiled loops: expand bit rows to bytes, convolve, threshold, pool, encode and decode.

A *bit row* is the channels of one pixel in uint64 words, channel 0 in bit 0 of word 0, unused bits 0.
Binary tensors are uint64 (planes, N, H, W, words), integers int32 or int64 (N, H, W, C).
All functions release the interpreter lock, allocate nothing and may run in several threads at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numba
import numpy as np

from etb_hw.integer.packed.emit import bits_below, bits_reaching, gather64, put_word, spread, tile
from etb_hw.integer.packed.kernel import BLOCK, ByteKernel, Kernel, cache_key


class Geometry(NamedTuple):
    """How output pixels find their windows in the expanded input, all in bytes and pixels.

    A window is ``runs`` stretches of ``run`` contiguous bytes; run r begins ``step_y`` * (r // across) +
    ``step_x`` * (r % across) bytes after the window's corner (``across`` is 1 unless the kernel is dilated
    along x).
    """

    batch: int
    height: int
    width: int
    image: int
    corner_y: int
    corner_x: int
    runs: int
    run: int
    across: int
    step_y: int
    step_x: int
    groups: int
    outputs: int
    pool_y: int
    pool_x: int
    flush: int


PANEL = 24
"""Output pixels of a panel, a multiple of every kernel's tile."""


def _jit(function: Callable[..., Any]) -> Any:
    try:
        return numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:  # neither the package's folder nor a user cache can be written
        return numba.njit(nogil=True)(function)


@dataclass(frozen=True)
class Loops:
    """Compiled functions of one choice of kernels (compiled at the first call, cached on disk)."""

    binary: Any
    bytewise: Any
    expand: Any
    threshold: Any
    threshold_bits: Any
    encode: Any
    decode: Any
    pool_bits: Any


@cache
def build(kernel: Kernel, byte_kernel: ByteKernel) -> Loops:
    binary = _convolution(
        cache_key(kernel.name), True, kernel.lanes, kernel.vectors, kernel.pixels, kernel.pixels_a_row
    )
    bytewise = _convolution(cache_key(byte_kernel.name), False, byte_kernel.lanes, 4, byte_kernel.pixels, 1)
    return Loops(binary, bytewise, *_common(cache_key("common"), cache_key(kernel.name), kernel.channels))


def _convolution(key: str, binary: bool, lanes: int, widest: int, pixels: int, pixels_a_row: int) -> Any:
    """A convolution with a fused end.

    It is one long function on purpose: numba caches a function on disk by the constants it closes over
    (``key`` above all), and compiled helpers among those would change the cache's key in every process.
    """
    unit = 1 if binary else 4  # bytes of a weight lane
    result = 2 if binary else 4  # bytes of a result
    rows = PANEL // pixels_a_row

    def convolve(x, weights, limits, factor, panel, sums, where, bits, integers, g, table):  # type: ignore[no-untyped-def]
        """Convolve a batch.

        Args:
            x: expanded input, bytes (N, H, W, bytes a pixel), borders included.
            weights: blocks of `layout.pack_binary` or `layout.pack_bytes`.
            limits: mismatches below (uint16) or sums from (int32) which an output bit is 1.
            factor: if not 0, add ``factor * result`` to ``integers`` instead of writing ``bits``.
            panel: scratch, bytes; ``sums``: scratch (PANEL, BLOCK), uint16 or int32.
            where: scratch int64 (2, PANEL): each pixel's window address and its row in ``bits``.
            bits: output bit rows (N, H', W', words), max-pooled.
            integers: output int32 (N * H * W, outputs).
            table: address of the mismatch table.
        """
        stride = panel.size // rows
        pooled = g.pool_y * g.pool_x > 1
        if factor == 0 and pooled:
            bits[:] = 0
        image = y = column = 0
        done = g.batch == 0
        first = 0
        while not done:
            # 1. where the next pixels come from and go to (counters: divisions would cost as much as a tile)
            used = 0
            for p in range(PANEL):
                if done:
                    break
                where[0, p] = x.ctypes.data + image * g.image + y * g.corner_y + column * g.corner_x
                row, at = y // g.pool_y, column // g.pool_x
                inside = row < bits.shape[1] and at < bits.shape[2]
                where[1, p] = (image * bits.shape[1] + row) * bits.shape[2] + at if inside else -1
                used += 1
                column += 1
                if column == g.width:
                    column = 0
                    y += 1
                    if y == g.height:
                        y = 0
                        image += 1
                        done = image == g.batch
            tiled = (used + pixels - 1) // pixels * pixels

            # 2. gather the windows; the last pixel repeats up to a whole tile
            for row in range(tiled // pixels_a_row):
                start_a = where[0, min(row * pixels_a_row, used - 1)]
                start_b = where[0, min(row * pixels_a_row + pixels_a_row - 1, used - 1)]
                target = panel.ctypes.data + row * stride
                for run in range(g.runs):
                    shift = (
                        run * g.step_y
                        if g.across == 1
                        else run // g.across * g.step_y + run % g.across * g.step_x
                    )
                    for offset in range(shift, shift + g.run, 64):
                        # up to 63 bytes too many: the next run or the row's slack takes them
                        gather64(pixels_a_row, target + offset - shift, start_a + offset, start_b + offset)
                    target += g.run
                for byte in range(g.runs * g.run, g.groups * unit):
                    panel[row * stride + byte] = 0

            for block in range((g.outputs + BLOCK - 1) // BLOCK):
                # 3. multiply; chunks of weights stay in L1 while all the panel's pixels meet them
                here = min(BLOCK, g.outputs - block * BLOCK)
                vectors = (here + lanes - 1) // lanes
                for start in range(0, g.groups, g.flush):
                    chunk = min(g.flush, g.groups - start)
                    for pixel in range(0, tiled, pixels):
                        for vector in range(0, vectors, widest):
                            wide = min(widest, vectors - vector)
                            skipped = block * BLOCK * g.groups + (vector * g.groups + start * wide) * lanes
                            tile(
                                key,
                                panel.ctypes.data + pixel // pixels_a_row * stride + start * unit,
                                stride,
                                weights.ctypes.data + skipped * unit,
                                chunk,
                                sums.ctypes.data + (pixel * BLOCK + vector * lanes) * result,
                                wide,
                                start == 0,
                                table,
                            )

                # 4. finish: integers, or bits by thresholds
                if factor != 0:
                    for p in range(used):
                        for c in range(here):
                            integers[first + p, block * BLOCK + c] += factor * np.int32(sums[p, c])
                    continue
                for half in range((here + 63) // 64):
                    word = block * (BLOCK // 64) + half
                    right = limits.ctypes.data + word * 64 * result
                    for p in range(used):
                        if where[1, p] >= 0:
                            left = sums.ctypes.data + (p * BLOCK + half * 64) * result
                            found = bits_below(left, right) if binary else bits_reaching(left, right)
                            target = bits.ctypes.data + (where[1, p] * bits.shape[3] + word) * 8
                            put_word(target, found, pooled)
            first += used

    return _jit(convolve)


def _common(key: str, kernel_key: str, channels: int) -> tuple[Any, ...]:
    width = 8 * channels  # bits that fill eight bytes

    def expand(bits, out, top, left):  # type: ignore[no-untyped-def]
        """Spread bit rows (N, H, W, words) to bytes of a few channels, inside (N, H + .., W + .., bytes)."""
        unit = out.shape[3]
        for n in range(bits.shape[0]):
            for y in range(bits.shape[1]):
                row = out.ctypes.data + ((n * out.shape[1] + y + top) * out.shape[2] + left) * unit
                end = row + bits.shape[2] * unit
                for x in range(bits.shape[2]):
                    for start in range(0, unit, 8):
                        word, shift = start * channels // 64, start * channels % 64
                        v = bits[n, y, x, word] >> np.uint64(shift)
                        if shift + width > 64 and word + 1 < bits.shape[3]:
                            v |= bits[n, y, x, word + 1] << np.uint64(64 - shift)
                        v = spread(kernel_key, v)
                        target = row + x * unit + start
                        if end - target >= 8:  # bytes beyond this pixel are written again by the next
                            put_word(target, v, False)
                        else:
                            for i in range(min(8, unit - start)):
                                byte = np.uint8(v >> np.uint64(8 * i) & np.uint64(255))
                                out[n, y + top, x + left, start + i] = byte

    def threshold(x, thresholds, out):  # type: ignore[no-untyped-def]
        """Levels (how many thresholds are reached) of integers (N, H, W, C), as int32 of that shape."""
        key  # noqa: B018
        for n in range(x.shape[0]):
            for i in range(x.shape[1]):
                for j in range(x.shape[2]):
                    for c in range(x.shape[3]):
                        # thresholds rise: bisect
                        low, high = 0, thresholds.shape[1]
                        while low < high:
                            middle = (low + high) // 2
                            if x[n, i, j, c] >= thresholds[c, middle]:
                                low = middle + 1
                            else:
                                high = middle
                        out[n, i, j, c] = low

    def threshold_bits(x, thresholds, out):  # type: ignore[no-untyped-def]
        """Bit planes (planes, N, H, W, words) of the levels of int32 (N, H, W, C).

        ``thresholds`` is int32 (T, words * 64). Each threshold gives a word of bits for 64 channels; a
        counter of bit slices, one a plane, counts them for all 64 at once.
        """
        key  # noqa: B018
        channels = x.shape[3]
        end = x.ctypes.data + x.size * 4
        for n in range(x.shape[0]):
            for i in range(x.shape[1]):
                for j in range(x.shape[2]):
                    row = x.ctypes.data + ((n * x.shape[1] + i) * x.shape[2] + j) * channels * 4
                    for word in range(out.shape[4]):
                        here = min(64, channels - word * 64)
                        valid = np.uint64(0xFFFFFFFFFFFFFFFF) >> np.uint64(64 - here)
                        for plane in range(out.shape[0]):
                            out[plane, n, i, j, word] = 0
                        for t in range(thresholds.shape[0]):
                            if row + (word + 1) * 256 <= end:
                                limits = thresholds.ctypes.data + (t * thresholds.shape[1] + word * 64) * 4
                                carry = bits_reaching(row + word * 256, limits) & valid
                            else:  # 64 values would reach past the array
                                carry = np.uint64(0)
                                for lane in range(here):
                                    c = word * 64 + lane
                                    reached = x[n, i, j, c] >= thresholds[t, c]
                                    carry |= np.uint64(reached) << np.uint64(lane)
                            for plane in range(out.shape[0]):
                                old = out[plane, n, i, j, word]
                                out[plane, n, i, j, word] = old ^ carry
                                carry &= old

    def encode(x, low, step, out):  # type: ignore[no-untyped-def]
        """Bit planes (planes, N, H, W, words) of the levels (x - low) / step of integers (N, H, W, C)."""
        key  # noqa: B018
        for plane in range(out.shape[0]):
            for n in range(x.shape[0]):
                for i in range(x.shape[1]):
                    for j in range(x.shape[2]):
                        for word in range(out.shape[4]):
                            bits = np.uint64(0)
                            for lane in range(min(64, x.shape[3] - word * 64)):
                                level = (np.int64(x[n, i, j, word * 64 + lane]) - low) // step
                                bits |= np.uint64(level >> plane & 1) << np.uint64(lane)
                            out[plane, n, i, j, word] = bits

    def decode(bits, low, step, out):  # type: ignore[no-untyped-def]
        """Integers (N, H, W, C) of bit planes: the inverse of encode."""
        key  # noqa: B018
        for n in range(out.shape[0]):
            for i in range(out.shape[1]):
                for j in range(out.shape[2]):
                    for c in range(out.shape[3]):
                        level = np.int64(0)
                        for plane in range(bits.shape[0]):
                            word = bits[plane, n, i, j, c // 64]
                            level |= np.int64(word >> np.uint64(c % 64) & np.uint64(1)) << plane
                        out[n, i, j, c] = low + step * level

    def pool_bits(x, out, kernel_y, kernel_x, stride_y, stride_x, top, left):  # type: ignore[no-untyped-def]
        """Max-pool one-bit rows (N, H, W, words): the OR over each window."""
        key  # noqa: B018
        for n in range(x.shape[0]):
            for i in range(out.shape[1]):
                for j in range(out.shape[2]):
                    out[n, i, j] = 0
                    y0, x0 = i * stride_y - top, j * stride_x - left
                    for y in range(max(0, y0), min(x.shape[1], y0 + kernel_y)):
                        for k in range(max(0, x0), min(x.shape[2], x0 + kernel_x)):
                            for word in range(x.shape[3]):
                                out[n, i, j, word] |= x[n, y, k, word]

    return tuple(_jit(f) for f in (expand, threshold, threshold_bits, encode, decode, pool_bits))
