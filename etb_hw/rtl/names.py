"""Names from files as identifiers and comments: nothing of a file is ever read as SystemVerilog or a path."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from etb_hw.dataflow.graph import DataflowGraph

LONGEST = 64  # characters; file names are made of identifiers too


def identifiers(names: Iterable[str]) -> Mapping[str, str]:
    """Letters, digits and underscores for each name, unique also where case is not told apart.

    Names that are legal already stay as they are. Whoever uses one puts letters of ours before it or an
    underscore and a word behind it, so that it is no number and no keyword of any language.
    """
    taken: set[str] = set()
    found: dict[str, str] = {}
    for name in names:
        if name in found:
            continue
        plain = re.sub(r"[^A-Za-z0-9_]", "_", name)[:LONGEST] or "_"
        made, number = plain, 1
        while made.lower() in taken:
            number += 1
            made = f"{plain[: LONGEST - 8]}_{number}"
        taken.add(made.lower())
        found[name] = made
    return found


def instance_names(design: DataflowGraph) -> Mapping[str, str]:
    """What each block and FIFO is called in a design's text and files, by its name in the graph."""
    return identifiers(
        [*(block.name for block in design.blocks), *(fifo.name for fifo in design.fifos.values())]
    )


def comment(text: str) -> str:
    """A text as one line of a comment or of a Markdown table: printable, of bounded length, without markup.

    Give it a word of ours in front: some tools obey comments that start with their name.
    """
    plain = "".join(c if c.isascii() and c.isprintable() else "?" for c in text)
    return re.sub(r"[^\w .,:;/()\[\]+=-]", "?", plain)[:120]
