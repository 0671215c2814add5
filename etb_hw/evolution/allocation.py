"""How many channels each group may lose, and which to give up next: pure decisions on numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from etb_hw.config import EvolutionConfig
from etb_hw.errors import BadInput, InfeasibleTarget
from etb_hw.models.groups import Groups, Sized
from etb_hw.models.spec import AN_END
from etb_hw.pruning.sizes import Cost

SLACK = 1.25  # default caps allow for so much more than the target, for importance to choose within
HIGHEST_CAP = 0.9
RISE = 3.0  # of default caps in convolutional networks: docs/measurements.md, ETB in one's own loop
TOLERANCE = 0.005  # overshoot of the ratio that is not worth looking for a better fitting filter

Importance = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Limits:
    """Fewest channels to keep, a group, and the multiple that counts must have.

    ``floor`` is the configured minimum, at least 1; only the last step towards a ratio may go below ``keep``.
    """

    keep: Mapping[str, int]
    multiple: int
    floor: int


def make_limits(spec: Sized, config: EvolutionConfig, cost: Cost) -> Limits:
    """Floors from the configured caps, or from caps that just allow the target.

    Raises:
        InfeasibleTarget: even cutting everything that the limits allow misses the ratio.
        BadInput: the caps are not one a group, or no group may be cut.
    """
    groups = spec.prunable
    if config.ratio and not groups:
        reasons = "; ".join(f"{group}: {why}" for group, why in spec.whole.items())
        remedy = "change what holds one of these groups together, or ask for 0 to train without cutting"
        raise BadInput("evolution.ratio", f"no group of channels may be cut ({reasons})", remedy)
    if config.caps is not None:
        if len(config.caps) != len(groups):
            raise BadInput(
                "evolution.caps",
                f"has {len(config.caps)} values, {spec.name} has {len(groups)} channel groups",
                f"give one value for each of {', '.join(groups)}",
            )
        keep = floors_of(spec, config, config.caps)
    else:
        keep = floors_of(spec, config, _default_caps(spec, config, cost))
    if reached(cost, spec, keep) < config.ratio:
        raise InfeasibleTarget(
            "evolution.ratio",
            f"{config.ratio:.0%} of {config.count} cannot be cut, the limits allow "
            f"{reached(cost, spec, keep):.1%}{_held(spec)}",
            "lower the ratio, evolution.floor or evolution.multiple, or raise evolution.caps",
        )
    return Limits(keep, config.multiple, config.floor)


def _held(spec: Groups) -> str:
    """The groups that stay whole though they are no end of the network."""
    ends = (AN_END, "it is the network's")
    held = [group for group, why in spec.whole.items() if not why.startswith(ends)]
    return f"; these groups stay whole: {', '.join(held)}" if held else ""


def _default_caps(spec: Sized, config: EvolutionConfig, cost: Cost) -> Sequence[float]:
    profile = profile_of(spec, config)
    caps = [HIGHEST_CAP] * len(profile)
    for scale in np.linspace(0.01, HIGHEST_CAP, 90):
        caps = [min(HIGHEST_CAP, float(scale * value)) for value in profile]
        if reached(cost, spec, floors_of(spec, config, caps)) >= min(0.99, config.ratio * SLACK):
            break
    return caps


def profile_of(spec: Sized, config: EvolutionConfig) -> Sequence[float]:
    """How default caps rise with depth, relative to the first group's.

    In convolutional networks late layers hold most parameters and few of the products, so that cutting there
    costs least; without pixels there is no such order.
    """
    rise = config.cap_rise
    if rise is None:
        rise = RISE if any(spec.geometry(layer).sums > 1 for layer in spec.weighted) else 0.0
    return [float(value) for value in np.linspace(1.0, 1.0 + rise, len(spec.prunable))]


def floors_of(spec: Groups, config: EvolutionConfig, caps: Sequence[float]) -> dict[str, int]:
    """Fewest channels to keep, a group, at these caps."""
    keep = {}
    for group, cap in zip(spec.prunable, caps, strict=True):
        full = spec.widths[group]
        count = round(full * (1 - cap))
        wanted = max(1, config.floor, config.multiple * round(count / config.multiple))
        keep[group] = min(full, config.multiple * math.ceil(wanted / config.multiple))
    return keep


def reached(cost: Cost, spec: Groups, widths: Mapping[str, int]) -> float:
    """The share of the cost that these widths save."""
    return 1 - cost({**spec.widths, **widths}) / cost(spec.widths)


def choose(
    spec: Groups, cost: Cost, limits: Limits, alive: Mapping[str, NDArray[np.bool_]], importance: Importance,
    target: float, ratio: float,
) -> dict[str, NDArray[np.intp]]:  # fmt: skip
    """The channels to give up now, a group, so that the saved share reaches ``target``.

    Greedy by lowest importance; channels of a group go in packets that lead to the next legal count. When
    the best packet would overshoot the final ``ratio``, one that fits better is taken instead.

    Args:
        target: what to reach now, at most the final ``ratio``.
        alive: (C,) channels that are not given up yet. importance: (C,), comparable between groups.
    """
    alive = {group: mask.copy() for group, mask in alive.items()}
    given_up: dict[str, list[int]] = {group: [] for group in alive}
    widths = {group: int(mask.sum()) for group, mask in alive.items()}
    full = cost(spec.widths)
    saved = 1 - cost({**spec.widths, **widths}) / full
    while saved < target - 1e-9:
        packets = _packets(alive, widths, limits, importance)
        outcomes = {
            group: 1 - cost({**spec.widths, **widths, group: widths[group] - len(chosen)}) / full
            for _, group, chosen in packets
        }
        allowed = [
            packet for packet in packets if widths[packet[1]] - len(packet[2]) >= limits.keep[packet[1]]
        ]
        if not allowed:
            break
        fitting = [packet for packet in allowed if outcomes[packet[1]] <= ratio + TOLERANCE]
        # where all that is allowed overshoots, take whatever overshoots least
        enough = [packet for packet in packets if outcomes[packet[1]] >= ratio - 1e-9]
        _, group, chosen = fitting[0] if fitting else min(enough, key=lambda packet: outcomes[packet[1]])
        for channel in chosen:
            alive[group][channel] = False
            given_up[group].append(int(channel))
        widths[group] -= len(chosen)
        saved = outcomes[group]
    return {group: np.asarray(sorted(channels), dtype=np.intp) for group, channels in given_up.items()}


def _packets(
    alive: Mapping[str, NDArray[np.bool_]], widths: Mapping[str, int], limits: Limits, importance: Importance
) -> list[tuple[float, str, NDArray[np.intp]]]:
    """The least important channels that lead each group to its next legal count, least important first."""
    packets = []
    for group, mask in alive.items():
        size = widths[group] % limits.multiple or limits.multiple  # down to the next multiple
        if widths[group] - size >= limits.floor:
            candidates = np.flatnonzero(mask)
            order = np.argsort(importance[group][candidates], kind="stable")
            chosen = candidates[order[:size]]
            packets.append((float(importance[group][chosen].mean()), group, chosen))
    return sorted(packets, key=lambda packet: packet[:2])
