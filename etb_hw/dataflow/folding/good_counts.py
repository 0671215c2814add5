"""Which channel counts fold well: for a ratio controller that decides how many filters to cut."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil

from etb_hw.dataflow.divisors import divisors


@dataclass(frozen=True)
class CountCost:
    """A channel count and the share of its multipliers that idle for lack of a fitting divisor.

    ``waste`` is the mean over foldings: to run ``n`` channels in at most ``n / p`` steps one needs the next
    divisor at or above ``p``; the surplus over ``p`` is waste. 0 is ideal; a prime has about 2 and more.
    """

    count: int
    waste: float


@lru_cache(maxsize=4096)
def waste(count: int) -> float:
    """Mean relative surplus of the cheapest legal parallelism over the wanted one, over wanted speeds."""
    wanted = [2 ** (i / 4) for i in range(ceil(4 * max(0, count.bit_length() - 2)) + 1)]
    parts = divisors(count)
    surplus = [next((d for d in parts if d >= p), count) / min(p, count) - 1 for p in wanted]
    return sum(surplus) / len(surplus)


def good_counts(low: int, high: int, share: float = 0.25) -> tuple[CountCost, ...]:
    """The counts of [low, high] that fold best, best first: that ``share`` of them, at least one.

    Independent of a network: use it to round the kept widths of a layer while it is being pruned.
    """
    ranked = sorted(
        (CountCost(n, waste(n)) for n in range(max(1, low), high + 1)), key=lambda c: (c.waste, c.count)
    )
    return tuple(ranked[: max(1, round(share * len(ranked)))])
