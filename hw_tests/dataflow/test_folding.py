"""The folding search: legal, exact, proved, never worse than FINN's."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pytest

from etb_hw.dataflow import (
    Effort,
    Resources,
    Target,
    Weights,
    find_device,
    fold,
    good_counts,
    lower,
    pareto,
    refold,
    set_folding,
)
from etb_hw.dataflow.block import Block
from etb_hw.dataflow.folding.channels import growths
from etb_hw.errors import BadInput, InfeasibleTarget
from etb_hw.integer import IntegerGraph, reference
from hw_tests import networks


def test_optimum_equals_exhaustive_search() -> None:
    design = lower(networks.mlp(6, (4,), classes=3))
    folds = {block.name: block.folds for block in design.blocks}
    cycles = 12
    best = min(
        Weights().of(folded.resources)
        for chosen in product(*folds.values())
        if (folded := refold(design, dict(zip(folds, chosen, strict=True)))).bottleneck.cycles <= cycles
    )
    found = fold(design, Target(cycles=cycles), Effort(choose_memory=False))
    assert found.optimal
    assert found.objective == found.bound == best


@pytest.mark.parametrize("fps", [200, 3000])
@pytest.mark.parametrize(
    "graph",
    [networks.vgg_small((16, 13, 24, 20, 30, 28), 16), networks.resnet18((8, 12, 16), size=16, blocks=1)],
    ids=["pruned", "residual"],
)
def test_never_worse_than_finn(graph: IntegerGraph, fps: float) -> None:
    design = lower(graph)
    theirs = set_folding(design, int(1e8 / fps))
    limit = replace(theirs.resources, uram=0)
    ours = fold(design, Target(cycles=theirs.bottleneck.cycles, limit=limit)).graph
    assert ours.fps >= theirs.fps
    assert ours.resources.lut <= theirs.resources.lut
    assert ours.resources.bram_18k <= theirs.resources.bram_18k


def test_fastest_on_a_device_fits_and_no_faster_rate_does() -> None:
    design = lower(networks.conv_net([16, 16, networks.POOL, 24], [10], (3, 12, 12)))
    limit = Resources(lut=6_000, bram_18k=8)
    found = fold(design, Target(limit=limit))
    assert found.optimal
    assert found.graph.fps == pytest.approx(found.fps_bound)
    assert found.graph.resources.lut <= limit.lut
    assert found.graph.resources.bram_18k <= limit.bram_18k
    with pytest.raises(InfeasibleTarget, match="frames/s") as caught:
        fold(design, Target(cycles=found.graph.bottleneck.cycles - 1, limit=limit))
    assert f"{int(found.graph.fps):,}" in caught.value.remedy


def test_several_pixels_a_cycle_only_where_the_rate_needs_them() -> None:
    design = lower(networks.conv_net([8, 6, networks.POOL], [], (3, 8, 8)))
    by_one = fold(design, Target(cycles=100)).graph
    assert not any("M" in block.fold for block in by_one.blocks)
    found = fold(design, Target(cycles=99))
    assert found.optimal
    assert found.graph.bottleneck.cycles <= 99
    assert found.graph["ConvolutionInputGenerator_rtl_0"].fold == {"SIMD": 3, "parallel_window": 1, "M": 2}
    # folded again for what one pixel a cycle can, nothing is left of it
    again = fold(found.graph, Target(cycles=100)).graph
    assert [(block.name, block.fold) for block in again.blocks] == [(b.name, b.fold) for b in by_one.blocks]
    with pytest.raises(InfeasibleTarget, match="100 cycles a frame even fully unrolled") as caught:
        fold(design, Target(cycles=99), Effort(pixels=False))
    assert "1,000,000 frames/s" in caught.value.remedy
    with pytest.raises(InfeasibleTarget, match="50 cycles a frame even fully unrolled"):
        fold(design, Target(cycles=49))
    with pytest.raises(InfeasibleTarget, match="target of more than 100,000,000 frames/s at 10 ns: "):
        fold(design, Target(fps=1e9))


def test_a_device_is_filled_with_several_pixels_a_cycle_where_they_fit() -> None:
    design = lower(networks.conv_net([8, 6, networks.POOL], [], (3, 8, 8)))
    by_one, by_two = (fold(design, Target(cycles=cycles)).graph for cycles in (100, 50))
    plenty = fold(design, Target(limit=replace(by_two.resources, lut=2 * by_two.resources.lut)))
    assert plenty.optimal
    assert plenty.graph.bottleneck.cycles == 50
    assert plenty.graph.fps == pytest.approx(plenty.fps_bound)
    assert any("M" in block.fold for block in plenty.graph.blocks)
    for limit, effort in (
        (replace(by_two.resources, lut=by_one.resources.lut), Effort()),
        (replace(by_two.resources, lut=2 * by_two.resources.lut), Effort(pixels=False)),
    ):
        found = fold(design, Target(limit=limit), effort).graph
        assert found.bottleneck.cycles == 100
        assert not any("M" in block.fold for block in found.blocks)


def test_pixels_that_do_not_fit_a_device_name_the_nearest_rate() -> None:
    """The nearest one is found among all foldings, also those of several pixels."""
    design = lower(networks.conv_net([4, 6], [], (2, 8, 8), pad=0))
    wanted = fold(design, Target(cycles=36)).graph
    limit = replace(wanted.resources, lut=wanted.resources.lut - 1)
    with pytest.raises(InfeasibleTarget, match="no folding fits") as caught:
        fold(design, Target(cycles=32, limit=limit))
    nearest = float(caught.value.remedy.split("at most ")[1].split(" frames")[0].replace(",", ""))
    made = fold(design, Target(fps=nearest, limit=limit)).graph
    assert made.bottleneck.cycles < 64
    assert any("M" in block.fold for block in made.blocks)


def test_front_rises() -> None:
    front = pareto(lower(networks.mlp(36, (12, 8))), [1e4, 1e5, 1e6, 1e7, 1e12])
    costs, rates = [f.objective for f in front], [f.graph.fps for f in front]
    assert len(front) >= 3
    assert costs == sorted(costs)
    assert rates == sorted(rates)


def test_dead_channels_are_exact_and_reported() -> None:
    graph = networks.vgg_small((13, 11, 17, 13, 19, 23), 8)
    design = lower(graph)
    plain = fold(design, Target(fps=20_000))
    padded = fold(design, Target(fps=20_000), Effort(pad_channels=True))
    assert padded.objective < plain.objective
    assert padded.dead_channels
    x = np.random.default_rng(0).integers(0, 256, (2, *graph.input.shape))
    assert np.array_equal(padded.graph.execute(x.transpose(0, 2, 3, 1)), reference.execute(graph, x))


def test_memory_style_follows_the_device() -> None:
    design = lower(networks.mlp(256, (128,)))
    zynq = fold(design, Target(fps=1000, device=find_device("Pynq-Z1"))).graph
    alveo = fold(design, Target(fps=1000, device=find_device("U250"), weights=Weights(bram_18k=9e3))).graph
    assert zynq.resources.uram == 0
    assert alveo.resources.bram_18k == 0


def test_impossible_wishes() -> None:
    design = lower(networks.vgg_small((8, 8, 8, 8, 8, 8), 8))
    with pytest.raises(InfeasibleTarget, match="any frame rate"):
        fold(design, Target(limit=Resources(lut=100)))
    with pytest.raises(BadInput, match="target"):
        fold(design, Target())


def test_good_counts_prefer_divisors() -> None:
    best = [cost.count for cost in good_counts(90, 100)]
    assert 96 in best
    assert 97 not in best
    assert growths(97)[:2] == (97, 98)
    assert growths(96) == (96,)


@dataclass(frozen=True)
class Synthesised:
    """Another resource model: flip-flops count too, and products are cheap."""

    name: str = "synthesised"
    counts_fifos: bool = False

    def __call__(self, block: Block) -> Resources:
        lanes = sum(stream.width for stream in block.outputs)
        return Resources(lut=0.5 * block.resources().lut, ff=8 * lanes, bram_18k=block.resources().bram_18k)


def test_another_resource_model_is_searched_and_named() -> None:
    design = lower(networks.mlp(64, (32, 16)))
    found = fold(design, Target(fps=100_000, model=Synthesised()))
    assert found.model == "synthesised"
    assert found.optimal
    assert found.objective == pytest.approx(Weights().of(found.graph.block_cost(Synthesised())))
    few = replace(find_device("U250").resources, ff=found.graph.block_cost(Synthesised()).ff - 1)
    with suppress(InfeasibleTarget):
        tighter = fold(design, Target(fps=100_000, model=Synthesised(), limit=few)).graph
        assert tighter.block_cost(Synthesised()).ff <= few.ff


def test_one_network_gives_one_design_however_often_it_is_folded() -> None:
    """Several foldings cost the least here: which one is taken must not be chance."""
    graph = lower(networks.vgg_small((12, 10, 14, 12, 16, 16), 8))
    found = [fold(graph, Target(fps=5_000)) for _ in range(6)]
    assert all(folding.optimal for folding in found)
    folds = [[(block.name, block.fold) for block in folding.graph.blocks] for folding in found]
    assert all(other == folds[0] for other in folds)
