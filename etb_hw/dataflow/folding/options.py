"""What the search chooses among: every useful folding of every block, with its price."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from etb_hw.dataflow.block import Block, Fold
from etb_hw.dataflow.folding.channels import Groups, resized
from etb_hw.dataflow.folding.weights import Weights
from etb_hw.dataflow.graph import DataflowGraph
from etb_hw.dataflow.resource_model import ResourceModel
from etb_hw.dataflow.resources import Resources


@dataclass(frozen=True, eq=False)
class Option:
    """A block in one of its forms. ``taken`` and ``given`` are (channels, lanes) of its two sides."""

    block: Block
    fold: Fold
    cycles: int
    resources: Resources
    taken: tuple[int, int]
    given: tuple[int, int]


def options_of(
    block: Block, groups: Groups, model: ResourceModel, styles: tuple[str, ...] | None, pixels: bool = False
) -> tuple[Option, ...]:
    """All forms of a block: channel counts x foldings x memory styles.

    ``pixels``: with the foldings of several pixels a cycle.
    """
    before = (groups.counts[groups.reads[block.name]][0], groups.counts[groups.yields[block.name]][0])
    made = []
    for channels in _channel_pairs(block, groups):
        form = resized(block, before, channels)
        for fold in _styled(form, styles, pixels):
            folded = form.folded(fold)
            made.append(
                Option(
                    form,
                    fold,
                    folded.cycles,
                    model(folded),
                    (channels[0], folded.inputs[0].lanes),
                    (channels[1], folded.outputs[0].lanes),
                )
            )
    return tuple(made)


def useful(options: tuple[Option, ...], cycles: int, weights: Weights, limited: bool) -> tuple[Option, ...]:
    """The options that meet a budget of cycles, without those that another one beats on the same streams.

    Without limits on single resources only the cheapest remains for each pair of streams; with limits,
    every option that is not worse in all resources.
    """
    best: dict[tuple[tuple[int, int], tuple[int, int]], list[Option]] = {}
    for option in options:
        if option.cycles > cycles:
            continue
        rivals = best.setdefault((option.taken, option.given), [])
        if any(_beats(rival, option, weights, limited) for rival in rivals):
            continue
        rivals[:] = [rival for rival in rivals if not _beats(option, rival, weights, limited)]
        rivals.append(option)
    return tuple(option for rivals in best.values() for option in rivals)


def _beats(a: Option, b: Option, weights: Weights, limited: bool) -> bool:
    cheaper = weights.of(a.resources) <= weights.of(b.resources)
    return cheaper and (not limited or a.resources.within(b.resources))


def _channel_pairs(block: Block, groups: Groups) -> list[tuple[int, int]]:
    reads, yields = groups.reads[block.name], groups.yields[block.name]
    if reads == yields:
        return [(count, count) for count in groups.counts[reads]]
    return list(product(groups.counts[reads], groups.counts[yields]))


def _styled(block: Block, styles: tuple[str, ...] | None, pixels: bool) -> list[Fold]:
    """Foldings with each memory style that the device offers (None: as the block has it)."""
    folds = block.all_folds(pixels)
    if styles is None or not block.ram_styles:
        return list(folds)
    return [{**fold, "ram_style": style} for fold in folds for style in styles]


def all_options(
    graph: DataflowGraph,
    groups: Groups,
    model: ResourceModel,
    styles: tuple[str, ...] | None,
    pixels: bool = False,
) -> dict[str, tuple[Option, ...]]:
    """Options of every block, by name."""
    return {block.name: options_of(block, groups, model, styles, pixels) for block in graph.blocks}
