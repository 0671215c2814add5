"""What finn-plus calls its nodes: it has elementwise operations where FINN has ChannelwiseOp."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from etb_hw.dataflow.block import Block
from etb_hw.dataflow.blocks.channelwise import Channelwise
from etb_hw.dataflow.finn.matches import with_explicit_sums
from etb_hw.dataflow.graph import DataflowGraph
from etb_hw.dataflow.refold import strip

_OPS = {"mul": "ElementwiseMul_hls", "add": "ElementwiseAdd_hls"}


def finn_plus_nodes(graph: DataflowGraph) -> Mapping[str, Block]:
    """Blocks by the names that finn-plus' own front end gives them.

    It folds additions that follow each other into one, here as there the last one's channels and PE.
    """
    made: dict[str, Block] = {}
    number: Counter[str] = Counter()
    before: Block | None = None
    for block in with_explicit_sums(strip(graph)).blocks:
        if not isinstance(block, Channelwise):
            made[block.name] = block
        elif isinstance(before, Channelwise) and before.func == block.func == "add":
            made[f"{_OPS['add']}_{number['add'] - 1}"] = block
        else:
            made[f"{_OPS[block.func]}_{number[block.func]}"] = block
            number[block.func] += 1
        before = block
    return made
