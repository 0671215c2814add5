"""Integer types: their values, their names, and the narrowest one that holds a range."""

from __future__ import annotations

import pytest

from etb_hw.errors import BadInput
from etb_hw.integer.datatype import BIPOLAR, DataType


@pytest.mark.parametrize(
    ("name", "bits", "low", "high", "signed", "twos_complement", "step", "levels"),
    [
        ("BIPOLAR", 1, -1, 1, True, False, 2, 2),
        ("BINARY", 1, 0, 1, False, False, 1, 2),
        ("TERNARY", 2, -1, 1, True, True, 1, 3),
        ("UINT2", 2, 0, 3, False, False, 1, 4),
        ("UINT8", 8, 0, 255, False, False, 1, 256),
        ("INT2", 2, -2, 1, True, True, 1, 4),
        ("INT8", 8, -128, 127, True, True, 1, 256),
        ("INT32", 32, -(2**31), 2**31 - 1, True, True, 1, 2**32),
        ("UINT16", 16, 0, 65535, False, False, 1, 65536),
    ],
)
def test_named_types(
    name: str, bits: int, low: int, high: int, signed: bool, twos_complement: bool, step: int, levels: int
) -> None:
    found = DataType.parse(name.lower())
    assert (found.name, found.bits, found.min, found.max) == (name, bits, low, high)
    assert (found.signed, found.twos_complement) == (signed, twos_complement)
    assert (found.step, found.levels) == (step, levels)


def test_names_of_one_bit() -> None:
    assert DataType.parse("bipolar") is BIPOLAR
    assert DataType.parse("UINT1") == DataType.parse("BINARY") == DataType.unsigned(1)
    assert DataType.integer(1).min == -1
    assert DataType.integer(1).max == 0


@pytest.mark.parametrize(
    "name", ["", "INT", "INT0", "UINT08", "INT100", "FLOAT32", "INT8 ", "XINT8", "INT-8"]
)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(BadInput, match="no integer type"):
        DataType.parse(name)


@pytest.mark.parametrize(
    ("low", "high", "name"),
    [
        (0, 0, "BINARY"),
        (0, 1, "BINARY"),
        (0, 2, "UINT2"),
        (1, 3, "UINT2"),
        (0, 4, "UINT3"),
        (0, 255, "UINT8"),
        (0, 256, "UINT9"),
        (-1, 0, "INT1"),
        (-1, -1, "INT1"),
        (-1, 1, "INT2"),
        (-2, 1, "INT2"),
        (-2, 2, "INT3"),
        (-3, 0, "INT3"),
        (-4, 3, "INT3"),
        (-4, 4, "INT4"),
        (-5, 3, "INT4"),
        (-128, 127, "INT8"),
        (-129, 0, "INT9"),
        (-1, 128, "INT9"),
        (-8, -5, "INT4"),
        (-9, -8, "INT5"),
        (-2, -1, "INT2"),
    ],
)
def test_the_narrowest_type(low: int, high: int, name: str) -> None:
    found = DataType.smallest(low, high)
    assert found.name == name
    assert found.min <= low <= high <= found.max
