"""A budget of hardware instead of a ratio: how much has to be cut is found while filters are given up.

What a design takes is slow to tell (a folding of the whole network), so progress is counted by a fast cost,
as for a ratio, and the design is looked at only now and then: each look corrects the ratio at which it
should fit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import torch

from etb_hw.config import EvolutionConfig
from etb_hw.errors import InfeasibleTarget
from etb_hw.evolution.allocation import HIGHEST_CAP, floors_of, profile_of, reached
from etb_hw.evolution.team import Team, total
from etb_hw.models.groups import Sized
from etb_hw.pruning.sizes import Cost, Widths

LOOKS = 6  # at the design while filters are given up
FAR = 0.02  # of the cost: how much may be given up between two looks at the end
_STEPS = 8  # of bisection for the first guess

Used: TypeAlias = Callable[[Widths], float]


@dataclass(frozen=True)
class Budget:
    """What the finished design may take.

    Attributes:
        used: the share of the budget that a network with these widths a group takes; 1 is all of it. Slow.
        words: the budget for people, such as ``3,000 LUTs at 20,000 frames/s``.
    """

    used: Used
    words: str


def first_ratio(spec: Sized, config: EvolutionConfig, cost: Cost, budget: Budget) -> float:
    """The share of ``cost`` at which the design should fit, if widths shrank along the profile of the caps.

    Raises InfeasibleTarget where even the narrowest network that the caps and floors allow takes more.
    """
    if budget.used(spec.widths) <= 1:
        return 0.0
    if config.caps is not None:
        least = floors_of(spec, config, config.caps)
        scales = [
            {
                group: round(spec.widths[group] - (spec.widths[group] - least[group]) * i / _STEPS)
                for group in least
            }
            for i in range(1, _STEPS + 1)
        ]
    else:
        profile = profile_of(spec, config)
        scales = [
            floors_of(
                spec, config, [min(HIGHEST_CAP, HIGHEST_CAP * i / 2**_STEPS * value) for value in profile]
            )
            for i in range(1, 2**_STEPS + 1)
        ]
    takes = budget.used({**spec.widths, **scales[-1]})
    if takes > 1:
        raise InfeasibleTarget(
            "evolution.target_luts" if config.target_share is None else "evolution.target_share",
            f"the narrowest network that the limits allow takes {takes:.0%} of {budget.words}",
            "raise the budget or evolution.caps, or lower build.target_fps, evolution.floor or multiple",
        )
    low, high = 0, len(scales) - 1  # scales[high] fits
    while low < high:
        middle = (low + high) // 2
        if budget.used({**spec.widths, **scales[middle]}) <= 1:
            high = middle
        else:
            low = middle + 1
    return reached(cost, spec, scales[high])


def remembered(used: Used) -> Used:
    """The same, looked at once for each network."""
    known: dict[tuple[tuple[str, int], ...], float] = {}

    def look(widths: Widths) -> float:
        key = tuple(sorted(widths.items()))
        if key not in known:
            known[key] = used(widths)
        return known[key]

    return look


def agreed(team: Team, device: torch.device, used: Used) -> Used:
    """What the first process sees, in all: a search that a time limit ends may differ between machines."""
    if team.ranks == 1:
        return used
    return lambda widths: total(team, device, used(widths) if team.leads else 0.0)[0]


def corrected(before: Mapping[str, float], saved: float, used: float, most: float) -> float:
    """The ratio at which a design should fit, after a look at it.

    Args:
        before: ``saved`` and ``used`` at the look before. saved: share of the cost that is cut now.
        used: share of the budget that the design takes now. most: the largest ratio that limits allow.
    """
    if used <= 1:
        return saved
    slope = (before["used"] - used) / max(saved - before["saved"], 1e-9)
    if slope <= 0:  # folding has steps: nothing was won by the last filters
        return min(most, saved + 0.02)
    return min(most, max(saved + 1e-6, saved + (used - 1) / slope))
