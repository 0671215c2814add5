"""Integers as bits in memory words and on streams: by the definition, and there and back."""

from __future__ import annotations

import numpy as np
import pytest

from etb_hw.dataflow.stream import Stream
from etb_hw.dataflow.words import encode, lowest_value, operand, pack_words, side_by_side
from etb_hw.errors import BadInput
from etb_hw.integer.datatype import BIPOLAR, DataType
from etb_hw.rtl.beats import decode, from_beats, lane_values, to_beats, words_of

TYPES = [BIPOLAR, *map(DataType.parse, ("BINARY", "TERNARY", "UINT3", "INT3", "UINT8", "INT8", "INT17"))]


def test_bit_patterns() -> None:
    assert encode(np.array([-1, 1]), BIPOLAR).tolist() == [0, 1]
    assert encode(np.array([-4, -1, 0, 3]), DataType.parse("INT3")).tolist() == [4, 7, 0, 3]
    assert encode(np.array([0, 5, 7]), DataType.parse("UINT3")).tolist() == [0, 5, 7]
    assert encode(np.array([-1, 0, 1]), DataType.parse("TERNARY")).tolist() == [3, 0, 1]


def test_field_0_is_lowest_in_a_word() -> None:
    assert pack_words(np.array([[1, 2, 3], [7, 0, 4]]), 3) == (1 | 2 << 3 | 3 << 6, 7 | 4 << 6)
    wide = pack_words(np.array([[2**17 - 1, 1]]), 17)
    assert wide == ((1 << 17) | (2**17 - 1),)


def test_words_side_by_side() -> None:
    """Row r has words r, r + rows, ...; the last bank may be short."""
    assert side_by_side((1, 2, 3, 0, 1), 2, 2) == (1 | 3 << 2 | 1 << 4, 2)
    assert side_by_side((1, 2, 3), 2, 3) == (1, 2, 3)


def test_values_beyond_their_bits_are_cut() -> None:
    """Nothing reaches a neighbour's bits."""
    assert encode(np.array([8, -5]), DataType.parse("UINT3")).tolist() == [0, 3]
    assert pack_words(np.array([[9, 0], [0, 8]]), 3) == (1, 0)


def test_what_a_module_is_told() -> None:
    assert operand("X", BIPOLAR) == {"X_BITS": 1, "X_SIGNED": 0, "X_BIPOLAR": 1}
    assert operand("W", DataType.parse("INT4")) == {"W_BITS": 4, "W_SIGNED": 1, "W_BIPOLAR": 0}
    assert operand("Y", DataType.parse("UINT4")) == {"Y_BITS": 4, "Y_SIGNED": 0, "Y_BIPOLAR": 0}
    assert (lowest_value(BIPOLAR), lowest_value(DataType.parse("INT4"))) == (0, -8)


@pytest.mark.parametrize("dtype", TYPES, ids=lambda dtype: dtype.name)
def test_every_value_there_and_back(dtype: DataType) -> None:
    values = np.arange(dtype.min, dtype.max + 1, dtype.step)
    np.testing.assert_array_equal(decode(encode(values, dtype), dtype), values)
    rng = np.random.default_rng(0)
    stream = Stream((2, 3, 6), dtype, 3)
    frames = dtype.min + dtype.step * rng.integers(0, dtype.levels, (4, 2, 3, 6))
    beats = to_beats(frames, stream)
    assert beats.shape == (4 * stream.beats, words_of(stream.width))
    assert beats.dtype == np.uint32
    np.testing.assert_array_equal(from_beats(beats, stream), frames)
    np.testing.assert_array_equal(lane_values(beats, stream), frames.reshape(-1, 3))


def test_words_of_a_beat() -> None:
    assert [words_of(width) for width in (1, 31, 32, 33, 64, 65)] == [1, 1, 1, 2, 2, 3]
    stream = Stream((9,), DataType.parse("UINT8"), 9)
    beats = to_beats(np.arange(9)[None], stream)
    assert beats.tolist() == [[0x03020100, 0x07060504, 8]]


def test_a_stream() -> None:
    stream = Stream((4, 5, 6), DataType.parse("INT3"), 2)
    assert (stream.channels, stream.pixels, stream.width, stream.beats) == (6, 20, 6, 60)
    flat = Stream((6,), BIPOLAR, 6)
    assert (flat.channels, flat.pixels, flat.width, flat.beats) == (6, 1, 6, 1)
    assert Stream((6,), BIPOLAR, 1).beats == 6


@pytest.mark.parametrize("lanes", [0, -1, 4, 7])
def test_lanes_divide_the_channels(lanes: int) -> None:
    with pytest.raises(BadInput, match=f"{lanes} lanes do not divide 6"):
        Stream((2, 6), BIPOLAR, lanes)
