"""Which machine code multiplies: three binary kernels, three 8-bit kernels, and the choice between them.

All kernels share one scheme, and differ in how a few bytes of activations meet a vector of weights:

* A bit tensor holds eight channels a byte, pixel after pixel.
* A *panel* holds a few output pixels, one row of bytes each: the pixel's window.
* A *block* of weights holds up to 128 output channels, a few vectors of them side by side, group by group.
* A *tile* multiplies a few pixels of a panel by a few vectors of a block and gives 16-bit mismatch counts
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

VECTORS = 4
"""Vectors of output channels that a tile takes at most: more accumulators would not fit the registers."""

Choice = Literal["auto", "vpopcnt", "avx2", "generic"]


@dataclass(frozen=True)
class Kernel:
    """A binary kernel.

    Attributes:
        group: activations that meet an output channel's weights at once.
        lanes: output channels of one vector.
        pixels: output pixels of a tile, all sizes that there are, largest first.
        flush: groups after which counts must move to 16 bits.
        unroll: bytes of a window that are handled together; windows are padded to a multiple.
        macs_a_cycle: binary multiply-accumulates a cycle at most, see `emit.py`.
        bytes: the 8-bit kernels that go with it, best first; none needs more than its own family.
        features: LLVM names of the host features it needs.
    """

    name: str
    group: int
    lanes: int
    pixels: tuple[int, ...]
    flush: int
    unroll: int
    macs_a_cycle: int
    bytes: tuple[str, ...]
    features: tuple[str, ...] = ()

    @property
    def words(self) -> bool:
        """Whether three 64-bit words meet at once: the third is then the exclusive or of all three."""
        return self.group == 64

    @property
    def paired(self) -> bool:
        """Whether a byte of the panel carries four channels of two pixels, one in each nibble."""
        return self.group == 4


@dataclass(frozen=True)
class ByteKernel:
    """A kernel for unsigned 8-bit activations and signed 8-bit weights, four input channels a lane."""

    name: str
    lanes: int
    pixels: tuple[int, ...]
    features: tuple[str, ...] = ()


_AVX512 = ("avx512f", "avx512bw", "avx512vl")

KERNELS = (
    Kernel("vpopcnt", 64, 8, (4, 2, 1), 8192, 8, 384, ("vnni",), (*_AVX512, "avx512vpopcntdq", "avx512vnni")),
    Kernel("avx2", 4, 32, (2,), 63, 3, 384, ("maddubs",), ("avx2",)),
    Kernel("generic", 8, 32, (2, 1), 31, 1, 106, ("plain",)),
)
"""Fastest first. ``generic`` runs anywhere; the others only where LLVM and numba both report the features."""

BYTE_KERNELS = (
    ByteKernel("vnni", 16, (4, 2, 1), (*_AVX512, "avx512vnni")),
    ByteKernel("maddubs", 8, (2, 1), ("avx2",)),
    ByteKernel("plain", 8, (2, 1)),
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
def mismatch_table() -> NDArray[np.uint8]:
    """The look-up table of the AVX2 kernel (4 KiB).

    Row a | b << 4 of 256 holds popcount(a ^ w) | popcount(b ^ w) << 4 for all 16 patterns w of four
    channels: two pixels are looked up at once.
    """
    ab, w = np.ogrid[:256, :16]
    table = np.bitwise_count((ab & 15) ^ w) | np.bitwise_count((ab >> 4) ^ w) << 4
    out = aligned(table.size, np.uint8)
    out[:] = table.ravel()
    return out


SLACK = 256
"""Bytes past the end of an `aligned` array that vector code may read and write."""


def aligned(size: int, dtype: Any) -> NDArray[Any]:
    """A flat zeroed array that begins on a cache line and may be used SLACK bytes past both ends."""
    nbytes = size * np.dtype(dtype).itemsize
    raw = np.zeros(nbytes + 2 * SLACK + 64, dtype=np.uint8)
    start = SLACK + -raw.ctypes.data % 64
    return raw[start : start + nbytes].view(dtype)
