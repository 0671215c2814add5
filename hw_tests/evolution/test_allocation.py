"""Decisions of the ratio controller: targets are met closely, legally and by importance."""

import numpy as np
import pytest

from etb_hw.config import EvolutionConfig
from etb_hw.evolution.allocation import choose, floors_of, make_limits, reached
from etb_hw.models.vgg_small import vgg_small
from etb_hw.pruning.sizes import cost_function

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


def test_caps_say_how_many_channels_stay():
    groups = len(SPEC.prunable)
    assert [SPEC.widths[group] for group in SPEC.prunable] == [32, 32, 64, 64, 128, 128]
    few = EvolutionConfig(ratio=0, multiple=4, floor=5)
    assert list(floors_of(SPEC, few, [0.1, 0.25, 0.5, 0.99, 0.3, 0.0]).values()) == [28, 24, 32, 5, 88, 128]
    assert set(floors_of(SPEC, EvolutionConfig(ratio=0), [1.0] * groups).values()) == {1}


def test_caps_rise_with_depth():
    config = EvolutionConfig(ratio=0.5, cap_rise=3.0)
    keep = make_limits(SPEC, config, cost_function(SPEC, "parameters")).keep
    caps = [1 - keep[group] / SPEC.widths[group] for group in SPEC.prunable]
    assert caps == pytest.approx([caps[-1] * share / 4 for share in np.linspace(1, 4, len(caps))], abs=0.02)


@pytest.mark.parametrize(("multiple", "floor"), [(1, 1), (4, 4), (4, 12)])
def test_all_that_the_limits_allow_is_cut_and_no_more(multiple, floor):
    config = EvolutionConfig(ratio=0.6, multiple=multiple, floor=floor, caps=(0.9,) * len(SPEC.prunable))
    cost = cost_function(SPEC, "parameters")
    limits = make_limits(SPEC, config, cost)
    most = reached(cost, SPEC, limits.keep)
    alive = {group: np.ones(SPEC.widths[group], dtype=bool) for group in SPEC.prunable}
    importance = {group: np.random.default_rng(0).normal(size=mask.size) for group, mask in alive.items()}
    chosen = choose(SPEC, cost, limits, alive, importance, most, most)
    assert {group: SPEC.widths[group] - len(found) for group, found in chosen.items()} == limits.keep


def test_counts_stay_multiples_down_to_the_last():
    config = EvolutionConfig(ratio=0.5, multiple=4, caps=(0.99,) * len(SPEC.prunable))
    cost = cost_function(SPEC, "parameters")
    alive = {group: np.ones(SPEC.widths[group], dtype=bool) for group in SPEC.prunable}
    importance = {group: np.arange(mask.size) / mask.size for group, mask in alive.items()}
    limits = make_limits(SPEC, config, cost)
    chosen = choose(SPEC, cost, limits, alive, importance, 0.9999, 0.9999)
    left = [SPEC.widths[group] - len(found) for group, found in chosen.items()]
    assert min(left) == 4
    assert all(width % 4 == 0 for width in left)
