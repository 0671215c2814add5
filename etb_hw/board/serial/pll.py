"""The dividers of a PLL that makes one clock of another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from etb_hw.errors import BadInput


@dataclass(frozen=True)
class Pll:
    """What a family's PLL can do.

    Attributes:
        most_divide, most_multiply: largest dividers of the input and of the feedback.
        outputs: dividers of the oscillator on the way out.
        oscillator: its lowest and highest MHz. lowest_input: MHz behind the input's divider.
    """

    most_divide: int
    most_multiply: int
    outputs: Iterable[int]
    oscillator: tuple[int, int]
    lowest_input: float

    def dividers(self, given: float, wanted: float) -> tuple[int, int, int]:
        """Dividers of input, feedback and output, for MHz. Raises BadInput where none gives the frequency."""
        low, high = self.oscillator
        for divide in range(1, self.most_divide + 1):
            multiply = wanted * divide / given
            whole = abs(multiply - round(multiply)) <= 1e-9
            if not whole or not 1 <= multiply <= self.most_multiply or given / divide < self.lowest_input:
                continue
            for out in self.outputs:
                if low <= wanted * out <= high:
                    return divide, round(multiply), out
        raise BadInput(
            f"--clock-mhz {wanted:g}",
            f"is no multiple that a PLL makes of {given:g} MHz",
            f"use {given:g}, {2 * given:g}",
        )
