"""Integers as bits: packed into memory words, and how a module is told what they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from etb_hw.integer.datatype import BIPOLAR, DataType


def encode(values: NDArray[np.integer], dtype: DataType) -> NDArray[np.int64]:
    """Bit patterns of values: bipolar -1 is 0, others are unsigned or two's complement."""
    if dtype == BIPOLAR:
        return np.asarray(values == 1, dtype=np.int64)
    return values.astype(np.int64) & ((1 << dtype.bits) - 1)


def pack_words(fields: NDArray[np.int64], bits: int) -> tuple[int, ...]:
    """One word a row of ``fields`` (rows, n): bit patterns of ``bits`` bits each, field 0 lowest."""
    rows, n = fields.shape
    planes = (fields[:, :, None] >> np.arange(bits)) & 1
    packed = np.packbits(planes.reshape(rows, n * bits).astype(np.uint8), axis=1, bitorder="little")
    return tuple(int.from_bytes(row.tobytes(), "little") for row in packed)


def side_by_side(words: Sequence[int], bits: int, rows: int) -> tuple[int, ...]:
    """Words of ``bits`` bits in ``rows`` rows: row r holds words r, r + rows, ..., the first one lowest."""
    if rows >= len(words):
        return tuple(words)
    return tuple(
        sum(word << (bits * bank) for bank, word in enumerate(words[row::rows])) for row in range(rows)
    )


def operand(prefix: str, dtype: DataType) -> dict[str, int | str]:
    """Parameters that tell a module how the values of a port are coded."""
    return {
        f"{prefix}_BITS": dtype.bits,
        f"{prefix}_SIGNED": int(dtype.twos_complement),
        f"{prefix}_BIPOLAR": int(dtype == BIPOLAR),
    }


def lowest_value(dtype: DataType) -> int:
    """What a multi-threshold adds to its count: the lowest value, but a bipolar one is coded as the count."""
    return 0 if dtype == BIPOLAR else dtype.min
