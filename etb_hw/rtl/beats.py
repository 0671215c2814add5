"""Frames to the beats of a stream and back: rows of 32-bit words, as simulators take them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from etb_hw.dataflow.stream import Stream
from etb_hw.dataflow.words import encode
from etb_hw.integer.datatype import BIPOLAR, DataType


def words_of(width: int) -> int:
    """32-bit words a beat of ``width`` bits takes."""
    return (width + 31) // 32


def to_beats(frames: NDArray[np.int64], stream: Stream) -> NDArray[np.uint32]:
    """Frames (N, *stream.shape) as beats (N * stream.beats, words), lowest word first."""
    bits = stream.dtype.bits
    fields = encode(frames.reshape(-1, stream.lanes).astype(np.int64), stream.dtype)
    planes = ((fields[:, :, None] >> np.arange(bits)) & 1).astype(np.uint8)
    packed = np.packbits(planes.reshape(len(fields), -1), axis=1, bitorder="little")
    padded = np.zeros((len(fields), 4 * words_of(stream.width)), dtype=np.uint8)
    padded[:, : packed.shape[1]] = packed
    return padded.view("<u4").astype(np.uint32, copy=False)


def from_beats(beats: NDArray[np.uint32], stream: Stream) -> NDArray[np.int64]:
    """Frames (N, *stream.shape) out of beats (N * stream.beats, words)."""
    lanes = lane_values(beats, stream)
    return lanes.reshape(-1, *stream.shape)


def lane_values(beats: NDArray[np.uint32], stream: Stream) -> NDArray[np.int64]:
    """The values of every beat, (beats, lanes)."""
    raw = np.ascontiguousarray(beats, dtype="<u4").view(np.uint8)
    planes = np.unpackbits(raw, axis=1, bitorder="little")[:, : stream.width]
    planes = planes.reshape(len(beats), stream.lanes, stream.dtype.bits)
    weights = 1 << np.arange(stream.dtype.bits, dtype=np.int64)
    return decode(planes.astype(np.int64) @ weights, stream.dtype)


def decode(fields: NDArray[np.int64], dtype: DataType) -> NDArray[np.int64]:
    """Values of bit patterns; the inverse of ``dataflow.words.encode``."""
    if dtype == BIPOLAR:
        return 2 * fields - 1
    if dtype.signed:
        return fields - ((fields >> (dtype.bits - 1)) << dtype.bits)
    return fields
