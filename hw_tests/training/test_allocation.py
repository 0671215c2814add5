"""Decisions of the ratio controller: targets are met closely, legally and by importance."""

import numpy as np
import pytest

from etb_hw.config import EvolutionConfig
from etb_hw.models.vgg_small import vgg_small
from etb_hw.pruning.sizes import cost_function
from etb_hw.training.allocation import choose, make_limits, reached

SPEC = vgg_small((3, 32, 32), 10, 0.25)


def decide(seed=0, **changes):
    config = EvolutionConfig(**changes)
    cost = cost_function(SPEC, config.count)
    limits = make_limits(SPEC, config, cost)
    generator = np.random.default_rng(seed)
    importance = {group: generator.normal(size=SPEC.widths[group]) for group in SPEC.prunable}
    alive = {group: np.ones(SPEC.widths[group], dtype=bool) for group in SPEC.prunable}
    for share in (0.2, 0.5, 0.51, 0.8, 1.0):
        target = share * config.ratio
        for group, channels in choose(SPEC, cost, limits, alive, importance, target, config.ratio).items():
            alive[group][channels] = False
    chosen = {group: np.flatnonzero(~mask) for group, mask in alive.items()}
    widths = {group: SPEC.widths[group] - len(chosen[group]) for group in SPEC.prunable}
    return widths, reached(cost, SPEC, widths), chosen, importance


@pytest.mark.parametrize("count", ["parameters", "filters", "macs"])
@pytest.mark.parametrize("ratio", [0.1, 0.3, 0.463, 0.7])
@pytest.mark.parametrize("multiple", [1, 2])
def test_the_ratio_is_reached_within_a_percent(count, ratio, multiple):
    for seed in range(3):
        widths, found, _, _ = decide(seed, count=count, ratio=ratio, multiple=multiple)
        assert ratio - 1e-6 <= found <= ratio + 0.01
        assert all(width % multiple == 0 for width in widths.values())


def test_within_a_group_the_least_important_go():
    _, _, chosen, importance = decide(ratio=0.4)
    for group, channels in chosen.items():
        if len(channels):
            stay = np.delete(importance[group], channels)
            assert importance[group][channels].max() <= stay.min()


def test_caps_and_floors_hold_but_for_the_last_step():
    widths, _, _, _ = decide(ratio=0.3, caps=(0.1, 0.2, 0.3, 0.4, 0.5, 0.5), floor=20)
    for group, cap in zip(SPEC.prunable, (0.1, 0.2, 0.3, 0.4, 0.5, 0.5), strict=True):
        assert widths[group] >= max(20, round(SPEC.widths[group] * (1 - cap))) - 1


def test_a_slowly_rising_target_does_not_starve_cheap_groups():
    config = EvolutionConfig(ratio=0.5)
    cost = cost_function(SPEC, "parameters")
    limits = make_limits(SPEC, config, cost)
    alive = {group: np.ones(SPEC.widths[group], dtype=bool) for group in SPEC.prunable}
    importance = {group: np.arange(SPEC.widths[group]) / SPEC.widths[group] for group in SPEC.prunable}
    for target in np.linspace(0, 0.5, 200):
        for group, channels in choose(SPEC, cost, limits, alive, importance, target, 0.5).items():
            alive[group][channels] = False
    left = [alive[group].mean() for group in SPEC.prunable]
    assert max(left) - min(left) < 0.1
