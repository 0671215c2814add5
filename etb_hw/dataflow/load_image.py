"""What is written into a design at run time: the constants of its writable memories, as bytes in chain order.

A network of the same shape as a package's is folded as the package is. Then every block must have the same
form, and every memory that cannot be written the same contents; what is left is the image.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest

from etb_hw.dataflow.block import Block, RtlInstance, RtlMemory
from etb_hw.dataflow.graph import DataflowGraph
from etb_hw.dataflow.refold import refold, strip
from etb_hw.errors import BadInput

_WORDS = {
    "MH": "outputs", "MW": "inputs of a dot product", "STEPS": "thresholds a channel", "C": "channels",
    "IN_BITS": "bits an input", "OUT_BITS": "bits an output", "W_BITS": "bits a weight",
    "ACC_BITS": "bits of a sum", "IN_BIPOLAR": "signs as inputs", "W_BIPOLAR": "signs as weights",
    "SHIFT": "the power of two that all channels are multiplied by", "CHOSEN": "the channels that are picked",
}  # fmt: skip
_SAME = "give a network of the same shape and types, or make a package of this one"


def memories(design: DataflowGraph, *, writable: bool) -> Iterator[tuple[Block, RtlMemory]]:
    """Those that can be written at run time, in the order of their chain, or the others."""
    for block in design.blocks:
        for memory in block.rtl().memories:
            if memory.writable == writable:
                yield block, memory


def is_writable(design: DataflowGraph) -> bool:
    """Whether anything of it can be written at run time."""
    return any(block.links for block in design.blocks)


def image_size(design: DataflowGraph) -> int:
    """Bytes of its image."""
    return sum(link.bytes for block in design.blocks for link in block.links)


def load_image(design: DataflowGraph) -> bytes:
    """The contents of a design's writable memories: words in order, the low byte first."""
    return b"".join(
        word.to_bytes(-(-memory.width // 8), "little")
        for _, memory in memories(design, writable=True)
        for word in memory.words
    )


def image_of_other(package: DataflowGraph, other: DataflowGraph) -> bytes:
    """The image that makes the hardware of ``package`` compute what ``other`` computes.

    Raises BadInput that names the layer where it cannot.
    """
    if not is_writable(package):
        raise BadInput("the package", "has fixed weights", "build its design with --weights writable")
    if not is_writable(other):
        raise BadInput(
            "the network", "was built with fixed weights", "build it with --weights writable as well"
        )
    mine, theirs = strip(package), strip(other)
    for one, two in zip_longest(mine.blocks, theirs.blocks):
        if one is None or two is None:
            one, who = (two, "the package") if one is None else (one, "the network")
            raise BadInput(f"{one.layer} ({one.name})", f"{who} has no such block", _SAME)
        if one.op != two.op:
            raise BadInput(
                f"{two.layer} ({two.name})", f"is a {two.op} where the package has a {one.op}", _SAME
            )
        for stream, given in zip(one.inputs + one.outputs, two.inputs + two.outputs, strict=True):
            if (stream.shape, stream.dtype) != (given.shape, given.dtype):
                here, there = (f"{'x'.join(map(str, s.shape))} {s.dtype.name}" for s in (given, stream))
                raise BadInput(
                    f"{two.layer} ({two.name})", f"has a stream of {here}, the package's is {there}", _SAME
                )
    if _wires(mine) != _wires(theirs):
        raise BadInput("the network", "joins its layers otherwise than the package's does", _SAME)
    pairs = zip(mine.blocks, theirs.blocks, strict=True)
    theirs = refold(theirs, {two.name: one.choices for one, two in pairs})
    for one, two in zip(mine.blocks, strip(theirs).blocks, strict=True):
        _check_same(two, one.rtl(), two.rtl())
    return load_image(theirs)


def _wires(design: DataflowGraph) -> set[tuple[int, int, int, int]]:
    number = {block.name: i for i, block in enumerate(design.blocks)}
    return {
        (number[e.source.block], e.source.index, number[e.target.block], e.target.index) for e in design.edges
    }


def _check_same(block: Block, mine: RtlInstance, theirs: RtlInstance) -> None:
    """The same hardware but for what its writable memories hold."""
    where = f"{block.layer} ({block.name})"
    for key, value in mine.parameters.items():
        other = theirs.parameters.get(key)
        if other != value:
            what = _WORDS.get(key, key)
            raise BadInput(where, f"{what}: {other}, the package's {value}", _SAME)
    for one, two in zip_longest(mine.memories, theirs.memories):
        assert one is not None, "equal parameters mean equal memories"
        assert two is not None
        if (one.width, len(one.words), one.writable) != (two.width, len(two.words), two.writable):
            raise BadInput(where, f"its {one.parameter.lower()} have another form", _SAME)
        if not one.writable and one.words != two.words:
            raise BadInput(
                where,
                f"its {one.parameter.lower()} differ from the package's, where they are fixed",
                "keep them while retraining, or make a package of this network",
            )
