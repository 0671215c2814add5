"""Which machine code multiplies: three binary kernels, three 8-bit kernels, and the choice between them.

All kernels share one scheme, and differ in what a byte holds and in how a byte of activations meets a
vector of weights:

* A *panel* holds a few output pixels, one row of bytes each: the pixel's window, channel-packed.
* A *block* of weights holds up to 128 output channels side by side, one byte each, group by group.
* A *tile* multiplies a few pixels of a panel by a block and adds to 16-bit mismatch counts
  (or 32-bit sums for 8-bit inputs).

Binary kernels count mismatches m of +-1 vectors of length K; the dot product is K - 2 m.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import llvmlite
import llvmlite.binding
import numba
import numpy as np
from numba.core.registry import cpu_target
from numpy.typing import NDArray

from etb_hw.errors import BadInput

BLOCK = 128
"""Output channels of a full weight block, in every kernel."""

Choice = Literal["auto", "avx512", "avx2", "generic"]


@dataclass(frozen=True)
class Kernel:
    """A binary kernel.

    Attributes:
        channels: activations in one byte of a panel row.
        lanes: output channels of one vector.
        pixels: output pixels of a tile.
        pixels_a_row: 2 where a byte carries two pixels, one in each nibble.
        flush: byte groups after which 8-bit counts must move to 16 bits.
        unroll: byte groups handled together; the number of groups is padded to a multiple.
        macs_a_cycle: binary multiply-accumulates a cycle at most, see `emit.py`.
        bytes: the 8-bit kernels that go with it, best first; none needs more than its own family.
        features: LLVM names of the host features it needs.
    """

    name: str
    channels: int
    lanes: int
    pixels: int
    pixels_a_row: int
    flush: int
    unroll: int
    macs_a_cycle: int
    bytes: tuple[str, ...]
    features: tuple[str, ...] = ()

    @property
    def vectors(self) -> int:
        return BLOCK // self.lanes


@dataclass(frozen=True)
class ByteKernel:
    """A kernel for unsigned 8-bit activations and signed 8-bit weights, four input channels a lane."""

    name: str
    lanes: int
    pixels: int
    features: tuple[str, ...] = ()


_AVX512 = ("avx512f", "avx512bw", "avx512vl")

KERNELS = (
    Kernel("avx512", 6, 64, 6, 1, 42, 1, 384, ("vnni", "maddubs"), (*_AVX512, "avx512vbmi", "bmi2")),
    Kernel("avx2", 4, 32, 2, 2, 63, 3, 384, ("maddubs",), ("avx2",)),
    Kernel("generic", 8, 32, 2, 1, 31, 1, 106, ("plain",)),
)
"""Fastest first. ``generic`` runs anywhere; the others only where LLVM and numba both report the features."""

BYTE_KERNELS = (
    ByteKernel("vnni", 16, 4, (*_AVX512, "avx512vnni")),
    ByteKernel("maddubs", 8, 2, ("avx2",)),
    ByteKernel("plain", 8, 2),
)


def host_features() -> frozenset[str]:
    """Vector features that may be emitted: those of the CPU that numba is also told to compile for.

    Numba's target can be narrowed by its own settings (NUMBA_CPU_FEATURES, NUMBA_CPU_NAME,
    NUMBA_ENABLE_AVX); emitting an instruction outside of it would abort the process, so both must agree.
    """
    host = llvmlite.binding.get_host_cpu_features()
    targeted = cpu_target.target_context.codegen().magic_tuple()[2].split(",")
    return frozenset(name for name, there in host.items() if there and f"+{name}" in targeted)


def choose(wanted: Choice = "auto") -> tuple[Kernel, ByteKernel]:
    """The binary and the 8-bit kernel to use. Raises BadInput if the CPU lacks what ``wanted`` needs."""
    there = host_features()
    usable = [kernel for kernel in KERNELS if there.issuperset(kernel.features)]
    if wanted != "auto":
        usable = [kernel for kernel in usable if kernel.name == wanted]
        if not usable:
            names = ", ".join(k.name for k in KERNELS if there.issuperset(k.features))
            raise BadInput(f"kernel {wanted!r}", "cannot run on this CPU", f"use auto or one of: {names}")
    kernel = usable[0]
    return kernel, next(b for b in BYTE_KERNELS if b.name in kernel.bytes and there.issuperset(b.features))


@cache
def cache_key(name: str) -> str:
    """A kernel's name with a digest of this package's sources and of its compilers.

    Numba's on-disk cache watches only the file of the cached function; the key, a constant of each of
    our functions, makes it miss when any of the emitters or a compiler changes.
    """
    digest = hashlib.sha256(f"{numba.__version__} {llvmlite.__version__}".encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return f"{name}@{digest.hexdigest()[:16]}"


@cache
def mismatch_table(name: str) -> NDArray[np.uint8]:
    """The look-up table that turns a byte of activations and a byte of weights into mismatches.

    ``avx512``: row a of 64 holds popcount(a ^ w) for all 64 patterns w of six channels (4 KiB).
    ``avx2``: row a | b << 4 of 256 holds popcount(a ^ w) | popcount(b ^ w) << 4 for all 16 patterns w
    of four channels: two pixels are looked up at once (4 KiB).
    """
    match name:
        case "avx512":
            a, w = np.ogrid[:64, :64]
            table = np.bitwise_count(a ^ w)
        case "avx2":
            ab, w = np.ogrid[:256, :16]
            table = np.bitwise_count((ab & 15) ^ w) | np.bitwise_count((ab >> 4) ^ w) << 4
        case _:
            table = np.zeros(0)
    out = aligned(table.size, np.uint8)
    out[:] = table.ravel()
    return out


def aligned(size: int, dtype: type[np.generic]) -> NDArray[Any]:
    """A flat zeroed array that begins on a cache line and may be read and written 64 bytes past its end."""
    nbytes = size * np.dtype(dtype).itemsize
    raw = np.zeros(nbytes + 128, dtype=np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + nbytes].view(dtype)
