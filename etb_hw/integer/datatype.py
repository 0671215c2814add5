"""Integer data types under the names that qonnx and FINN use (BIPOLAR, UINT8, INT5, ...)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from etb_hw.errors import BadInput


@dataclass(frozen=True)
class DataType:
    """A set of integers that fits a number of bits.

    ``BIPOLAR`` is {-1,+1} in one bit (bit 0 is -1), ``BINARY`` is {0,1}, ``UINTn`` and ``INTn``
    are the full unsigned and two's-complement ranges.
    """

    name: str
    bits: int
    min: int
    max: int

    @property
    def signed(self) -> bool:
        return self.min < 0

    @property
    def twos_complement(self) -> bool:
        """Whether its highest bit is a sign: a bipolar value's only bit is none."""
        return self.signed and self.name != "BIPOLAR"

    @property
    def step(self) -> int:
        """Distance between neighbouring values."""
        return 2 if self.name == "BIPOLAR" else 1

    @property
    def levels(self) -> int:
        """How many values there are; a multi-threshold has ``levels - 1`` thresholds at most."""
        return (self.max - self.min) // self.step + 1

    @property
    def addend(self) -> DataType:
        """What may be added to it where no value is known: whole numbers as large as its own, either sign."""
        return DataType.smallest(min(self.min, -1), self.max)

    @staticmethod
    def unsigned(bits: int) -> DataType:
        return DataType("BINARY" if bits == 1 else f"UINT{bits}", bits, 0, 2**bits - 1)

    @staticmethod
    def integer(bits: int) -> DataType:
        return DataType(f"INT{bits}", bits, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)

    @staticmethod
    def parse(name: str) -> DataType:
        """The type of a qonnx name. Raises BadInput for names that are no integer type."""
        upper = name.upper()
        if upper == "BIPOLAR":
            return BIPOLAR
        if upper == "BINARY":
            return DataType.unsigned(1)
        if upper == "TERNARY":
            return DataType("TERNARY", 2, -1, 1)
        found = re.fullmatch(r"(U?INT)([1-9]\d?)", upper)
        if found is None:
            raise BadInput(f"data type {name!r}", "is no integer type", "use BIPOLAR, UINT<n> or INT<n>")
        bits = int(found[2])
        return DataType.unsigned(bits) if found[1] == "UINT" else DataType.integer(bits)

    @staticmethod
    def smallest(low: int, high: int) -> DataType:
        """The narrowest UINT or INT that holds every integer of [low, high]."""
        if low >= 0:
            return DataType.unsigned(max(1, int(high).bit_length()))
        return DataType.integer(max(-int(low) - 1, int(high)).bit_length() + 1)


BIPOLAR = DataType("BIPOLAR", 1, -1, 1)
