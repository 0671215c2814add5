"""The dividers of a PLL that makes one clock of another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from etb_hw.errors import BadInput

Range = tuple[float, float]


@dataclass(frozen=True)
class Pll:
    """What a family's PLL can do. Ranges are lowest and highest MHz.

    Attributes:
        most_divide, most_multiply: largest dividers of the input and of the feedback.
        outputs: dividers of the oscillator on the way out.
        given: of the clock that goes in. oscillator: inside. made: of the clock that comes out.
        lowest_compared: MHz behind the input's divider.
    """

    most_divide: int
    most_multiply: int
    outputs: Sequence[int]
    given: Range
    oscillator: Range
    made: Range
    lowest_compared: float

    def dividers(self, given: float, wanted: float) -> tuple[int, int, int]:
        """Dividers of input, feedback and output, for MHz. Raises BadInput where none gives the frequency.

        The oscillator is kept as near to the middle of its range as they let it.
        """
        if not _within(given, self.given):
            low, high = self.given
            raise BadInput(
                f"an oscillator of {given:g} MHz",
                f"is out of the range of this PLL ({low:g} to {high:g} MHz)",
                "correct clock_mhz in the board's file",
            )
        for divide in self._divides(given):
            multiply = wanted * divide / given
            whole = abs(multiply - round(multiply)) <= 1e-9
            if whole and 1 <= multiply <= self.most_multiply and self._possible(wanted):
                return divide, round(multiply), self._output(wanted)
        raise BadInput(
            f"--clock-mhz {wanted:g}",
            f"is no frequency that a PLL makes of {given:g} MHz",
            f"use {' or '.join(f'{mhz:g}' for mhz in self._nearest(given, wanted))}",
        )

    def _divides(self, given: float) -> Iterable[int]:
        return (n for n in range(1, self.most_divide + 1) if given / n >= self.lowest_compared)

    def _possible(self, wanted: float) -> bool:
        return _within(wanted, self.made) and any(
            _within(wanted * out, self.oscillator) for out in self.outputs
        )

    def _output(self, wanted: float) -> int:
        middle = sum(self.oscillator) / 2
        allowed = (out for out in self.outputs if _within(wanted * out, self.oscillator))
        return min(allowed, key=lambda out: abs(wanted * out - middle))

    def _nearest(self, given: float, wanted: float) -> Sequence[float]:
        """The nearest frequencies below and above that a user can write down."""
        made = {
            given * multiply / divide
            for divide in self._divides(given)
            for multiply in range(1, self.most_multiply + 1)
        }
        exact = [mhz for mhz in made if abs(float(f"{mhz:g}") - mhz) <= 1e-9 and self._possible(mhz)]
        below = max((mhz for mhz in exact if mhz < wanted), default=None)
        above = min((mhz for mhz in exact if mhz > wanted), default=None)
        return [mhz for mhz in (below, above) if mhz is not None]


def _within(mhz: float, allowed: Range) -> bool:
    low, high = allowed
    return low <= mhz <= high
