"""LUTs of parts that many modules have: counters, comparators, population counts, trees of adders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, inf

from etb_hw.dataflow.fabric.family import Fabric
from etb_hw.dataflow.fabric.memories import bits_of, lut_memory, lutram_amounts


def counter(count: int) -> int:
    """A counter of ``count`` states that wraps and tells its last one.

    From three bits on it counts on a carry chain, whose inputs need no LUTs; what remains is to tell the last
    state and, where that is not all ones, to start again in every bit.
    """
    bits = bits_of(count)
    if bits < 3:
        return (0, 1, 2)[bits]
    return ceil(bits / 6) + (0 if count == 1 << bits else bits)


def comparator(bits: int, *, constant: bool = False) -> int:
    """Which of two numbers is larger: a LUT, or two a group of three pairs of bits (six with a constant)."""
    pairs = 6 if constant else 3
    return 1 if bits <= pairs else 2 * ceil(bits / pairs)


def popcount_leaf(n: int) -> int:
    """How many of n <= 18 pairs agree: two LUTs a triple, then counters of six."""
    counts = (0, 0, 2, 2, 3, 3, 3)
    triples, rest = divmod(n, 3)
    ones, twos = triples + (rest > 0), triples + (rest == 2)
    return 2 * triples + (0, 1, 2)[rest] + counts[ones] + counts[twos] + (4 if n > 6 else n // 3)


def split_registers(n: int) -> int:
    """Registers of the two counts of each leaf: of sums and of carries of triples (``etb_dot``, SPLIT)."""
    bits = 0
    for start in range(0, n, 18):
        triples, rest = divmod(min(18, n - start), 3)
        bits += (triples + (rest > 0)).bit_length() + (triples + (rest == 2)).bit_length()
    return bits


def different(draws: float, kinds: float) -> float:
    """Expected number of different ones among so many random draws."""
    return draws if kinds > 1e6 else kinds * (1 - (1 - 1 / kinds) ** draws)


@dataclass(frozen=True)
class Tree:
    """LUTs of the leaves, bits of the adders above them, and bits of all registers, of some adder trees."""

    leaves: float
    adders: float
    registers: float

    def __add__(self, right: Tree) -> Tree:
        return Tree(self.leaves + right.leaves, self.adders + right.adders, self.registers + right.registers)


def tree(
    n: int,
    leaf: int,
    width: Callable[[int], int],
    leaf_luts: Callable[[int], float],
    *,
    rows: int = 1,
    kind_bits: float = inf,
    dropped: float = 0.0,
) -> Tree:
    """``rows`` dot products of n terms, a register behind every node (``etb_dot``).

    Args:
        leaf: terms of a leaf.
        width: bits of a sum of so many terms.
        leaf_luts: LUTs of a leaf of so many terms.
        kind_bits: logarithm of the different weights that a term can have over the words of the weight
            memory. Where they are few, rows have sums in common, which are built once.
        dropped: probability that a term never counts: sums of nothing are not built.
    """

    def visit(terms: int, level: int) -> Tree:
        sums = different(rows, 2 ** min(99.0, kind_bits * terms))
        built = sums * (1 - dropped**terms)
        here = Tree(0, 0, built * width(terms))
        if level == 0:
            return here + Tree(built * leaf_luts(terms) * (1 - dropped) ** (terms - 1), 0, 0)
        parts = ceil(terms / leaf)
        if parts == 1:
            return here + visit(terms, level - 1)
        low = (parts + 1) // 2 * leaf
        both = (1 - dropped**low) * (1 - dropped ** (terms - low))
        return (
            here
            + Tree(0, sums * both * width(terms), 0)
            + visit(low, level - 1)
            + visit(terms - low, level - 1)
        )

    return visit(n, bits_of(ceil(n / leaf)))


def pool_amounts(pe: int, bits: int, words: int, counters: int, fabric: Fabric) -> dict[str, float]:
    """A maximum of so many lanes over windows, with a row of partial results."""
    amounts: dict[str, float] = {
        "one": 1,
        "counters": counters,
        "maxima": pe * (1 if bits == 1 else comparator(bits) + bits),
        **lutram_amounts(pe * bits, words, "row", fabric),
    }
    if bits == 1 and lut_memory(pe, words, fabric)[1] == 2:
        amounts["banks"] = 0  # the choice between two fits the LUT of the maximum
    return amounts
