"""Decisions of the ratio controller: targets are met closely, legally and by importance."""

from dataclasses import dataclass

import numpy as np
import pytest

from etb_hw.config import EvolutionConfig, ModelConfig
from etb_hw.errors import BadInput, InfeasibleTarget
from etb_hw.evolution.allocation import Limits, choose, floors_of, make_limits, profile_of, reached
from etb_hw.models import specify
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
    config = EvolutionConfig(ratio=0.5, cap_rise=0)
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
    assert list(floors_of(SPEC, few, [0.1, 0.25, 0.5, 0.99, 0.3, 0.0]).values()) == [28, 24, 32, 8, 88, 128]
    assert set(floors_of(SPEC, EvolutionConfig(ratio=0), [1.0] * groups).values()) == {1}


def test_default_caps_rise_where_there_are_pixels():
    dense = specify(ModelConfig(name="tfc"), (1, 28, 28), 10)
    assert profile_of(dense, EvolutionConfig()) == [1.0] * len(dense.prunable)
    assert profile_of(SPEC, EvolutionConfig())[-1] == 4.0
    assert profile_of(SPEC, EvolutionConfig(cap_rise=0)) == [1.0] * len(SPEC.prunable)


def test_caps_rise_with_depth():
    config = EvolutionConfig(ratio=0.5)
    keep = make_limits(SPEC, config, cost_function(SPEC, "parameters")).keep
    caps = [1 - keep[group] / SPEC.widths[group] for group in SPEC.prunable]
    assert caps == pytest.approx([caps[-1] * share / 4 for share in np.linspace(1, 4, len(caps))], abs=0.02)


@pytest.mark.parametrize(("multiple", "floor"), [(1, 1), (4, 4), (4, 12), (4, 3), (20, 1), (5, 7)])
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


def test_a_multiple_above_the_widths_allows_nothing():
    """It had looked as if all could go, and nothing went, in silence."""
    caps = (0.9,) * len(SPEC.prunable)
    config = EvolutionConfig(ratio=0.1, multiple=200, caps=caps)
    assert floors_of(SPEC, config, caps) == {group: SPEC.widths[group] for group in SPEC.prunable}
    with pytest.raises(InfeasibleTarget, match=r"10% of parameters cannot be cut, the limits allow 0\.0%"):
        make_limits(SPEC, config, cost_function(SPEC, "parameters"))


def test_a_floor_above_a_width_keeps_all():
    floors = floors_of(SPEC, EvolutionConfig(ratio=0, floor=40), [0.9] * len(SPEC.prunable))
    assert list(floors.values()) == [32, 32, 40, 40, 40, 40]


def test_caps_are_given_for_each_group():
    config = EvolutionConfig(caps=(0.5,) * 5)
    with pytest.raises(BadInput, match=r"has 5 values, .* has 6 channel groups") as caught:
        make_limits(SPEC, config, cost_function(SPEC, "parameters"))
    assert caught.value.where == "evolution.caps"


def test_a_ratio_that_the_limits_just_allow():
    cost = cost_function(SPEC, "parameters")
    caps = (0.5,) * len(SPEC.prunable)
    most = reached(cost, SPEC, floors_of(SPEC, EvolutionConfig(ratio=0), caps))
    limits = make_limits(SPEC, EvolutionConfig(ratio=most, caps=caps, multiple=2), cost)
    assert (limits.multiple, limits.floor) == (2, 1)
    assert limits.keep == {group: SPEC.widths[group] // 2 for group in SPEC.prunable}
    with pytest.raises(InfeasibleTarget, match="the limits allow 7"):
        make_limits(SPEC, EvolutionConfig(ratio=most + 1e-6, caps=caps), cost)
    with pytest.raises(InfeasibleTarget, match="100% of parameters cannot be cut"):
        make_limits(SPEC, EvolutionConfig(ratio=0.9999), cost)


@pytest.mark.parametrize("ratio", [0.1, 0.4, 0.6])
def test_default_caps_leave_a_choice_but_not_all(ratio):
    """They allow a quarter more than the ratio, and not much more: a step of the caps less would not do."""
    cost = cost_function(SPEC, "parameters")
    keep = make_limits(SPEC, EvolutionConfig(ratio=ratio, cap_rise=0), cost).keep
    assert ratio * 1.25 <= reached(cost, SPEC, keep) <= ratio * 1.25 + 0.03
    rising = EvolutionConfig(ratio=ratio)
    keep = make_limits(SPEC, rising, cost).keep
    assert ratio * 1.25 <= reached(cost, SPEC, keep)
    first = 1 - keep[SPEC.prunable[0]] / SPEC.widths[SPEC.prunable[0]]
    less = [(round(first, 2) - 0.01) * rise for rise in profile_of(SPEC, rising)]
    assert reached(cost, SPEC, floors_of(SPEC, rising, less)) < ratio * 1.25


def test_default_caps_of_a_high_ratio_allow_all_but_a_percent():
    cost = cost_function(SPEC, "parameters")
    keep = make_limits(SPEC, EvolutionConfig(ratio=0.95, cap_rise=2), cost).keep
    assert reached(cost, SPEC, keep) >= 0.95
    assert all(width >= round(SPEC.widths[group] * 0.1) for group, width in keep.items())


@dataclass(frozen=True)
class Two:
    """Two groups, whose channels cost one and three."""

    name = "two"
    prunable = ("a", "b")

    @property
    def widths(self):
        return {"a": 10, "b": 10}

    def cost(self, widths):
        return widths["a"] + 3 * widths["b"]


def given_up(target, ratio, importance, *, keep=(1, 1), multiple=1, floor=1, dead=()):
    """Channels of both groups that are given up; channel i of a group has the i-th importance."""
    alive = {"a": np.ones(10, bool), "b": np.ones(10, bool)}
    for group, channel in dead:
        alive[group][channel] = False
    limits = Limits(dict(zip("ab", keep, strict=True)), multiple, floor)
    ranked = {group: np.asarray(values, float) for group, values in zip("ab", importance, strict=True)}
    before = {group: mask.copy() for group, mask in alive.items()}
    found = choose(Two(), Two().cost, limits, alive, ranked, target, ratio)
    for group, mask in before.items():
        np.testing.assert_array_equal(mask, alive[group], err_msg="the caller's masks are not ours")
    return found["a"].tolist(), found["b"].tolist()


FALLING = np.arange(10, 0, -1)


def test_the_least_important_of_all_groups_go_first():
    assert given_up(0.1, 0.9, (FALLING, FALLING + 100)) == ([6, 7, 8, 9], [])
    assert given_up(0.1, 0.9, (FALLING + 100, FALLING)) == ([], [8, 9])
    mixed = ([5, 1, 9, 9, 9, 9, 9, 9, 9, 9], [9, 9, 9, 2, 9, 9, 9, 9, 9, 9])
    assert given_up(0.1, 0.9, mixed) == ([1], [3])
    assert given_up(0.11, 0.9, mixed) == ([0, 1], [3])


def test_what_is_reached_exactly_is_enough():
    for share in (0.1, 0.2, 0.5):
        ours, theirs = given_up(share, 0.9, (FALLING + 100, FALLING + 50), multiple=1, keep=(1, 1))
        assert len(ours) + 3 * len(theirs) == pytest.approx(40 * share, abs=2)
        ours, theirs = given_up(share / 4, 0.9, (FALLING, FALLING + 50))
        assert (len(ours), len(theirs)) == (round(10 * share), 0)
    assert given_up(0.0, 0.9, (FALLING, FALLING)) == ([], [])
    dead = [("a", 0), ("a", 1), ("b", 5)]
    assert given_up(0.125, 0.9, (FALLING, FALLING), dead=dead) == ([], [])
    assert given_up(0.15, 0.9, (FALLING, FALLING + 50), dead=dead) == ([9], [])


def test_a_filter_that_fits_is_taken_where_the_least_important_overshoots():
    """The last step towards 0.325 is one fortieth: a channel of the cheap group."""
    least = (FALLING + 100, FALLING)
    assert given_up(0.3, 0.3, least) == ([], [6, 7, 8, 9])
    assert given_up(0.325, 0.325, least) == ([9], [6, 7, 8, 9])
    assert given_up(0.325, 0.9, least) == ([], [5, 6, 7, 8, 9])


def test_a_little_overshoot_is_no_reason_to_look_further():
    """Half a percent is, more is not: three fortieths are 0.075."""
    least = (FALLING + 100, FALLING)
    assert given_up(0.071, 0.071, least) == ([], [9])
    assert given_up(0.069, 0.069, least) == ([7, 8, 9], [])


def test_where_all_overshoot_the_least_overshoot_is_taken():
    """Even below what caps would keep, but for the floor."""
    least = (FALLING + 100, FALLING)
    assert given_up(0.02, 0.01, least) == ([9], [])
    assert given_up(0.02, 0.01, (FALLING, FALLING + 100)) == ([9], [])
    assert given_up(0.02, 0.01, least, keep=(10, 1)) == ([9], [])
    assert given_up(0.02, 0.01, least, keep=(10, 1), floor=10) == ([], [])
    dead = [("a", channel) for channel in range(8)]
    assert given_up(0.21, 0.21, least, keep=(2, 1), floor=2, dead=dead) == ([], [9])


def test_nothing_goes_beyond_what_is_kept():
    assert given_up(1.0, 1.0, (FALLING, FALLING), keep=(4, 7)) == ([4, 5, 6, 7, 8, 9], [7, 8, 9])
    assert given_up(1.0, 1.0, (FALLING, FALLING), keep=(1, 1)) == (list(range(1, 10)), list(range(1, 10)))
    assert given_up(1.0, 1.0, (FALLING, FALLING), keep=(10, 10)) == ([], [])


def test_counts_go_down_to_multiples_and_stay_there():
    assert given_up(0.01, 0.9, (FALLING, FALLING + 99), multiple=4) == ([8, 9], [])
    assert given_up(0.06, 0.9, (FALLING, FALLING + 99), multiple=4) == ([4, 5, 6, 7, 8, 9], [])
    assert given_up(1.0, 1.0, (FALLING, FALLING), multiple=4) == ([*range(4, 10)], [*range(4, 10)])
    assert given_up(1.0, 1.0, (FALLING, FALLING), multiple=5) == ([*range(5, 10)], [*range(5, 10)])


def test_a_packet_is_as_important_as_its_mean():
    """Two channels go together: 1 and 9 weigh more than 4 and 4."""
    far = [50] * 8
    assert given_up(0.01, 0.9, ([1, 9, *far], [4, 4, *far]), multiple=8) == ([], [0, 1])
    assert given_up(0.01, 0.9, ([1, 6, *far], [4, 4, *far]), multiple=8) == ([0, 1], [])


def test_of_equals_the_first_go():
    assert given_up(0.05, 0.9, ([1] * 10, [1] * 10)) == ([0, 1], [])


def test_the_dead_do_not_go_again():
    dead = [("a", 9), ("a", 7)]
    assert given_up(0.1, 0.9, (FALLING, FALLING + 99), dead=dead) == ([6, 8], [])
