"""A user's ``folding_config.json`` applied to a design, by node name."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from etb_hw.dataflow.block import Block, Fold
from etb_hw.dataflow.graph import DataflowGraph
from etb_hw.dataflow.refold import refold, strip
from etb_hw.errors import BadInput

# keys of FINN's files that change nothing in a design of ours
_IGNORED = (
    "resType",
    "mem_mode",
    "runtime_writeable_weights",
    "parallel_window",
    "M",
    "impl_style",
    "depth",
    "depth_trigger_uram",
    "depth_trigger_bram",
    "inFIFODepths",
    "outFIFODepths",
    "slr",
    "mem_port",
    "preferred_impl_style",
    "pumpedMemory",
    "pumpedCompute",
    "ram_style_thresholds",
)


@dataclass(frozen=True, eq=False)
class AppliedConfig:
    """What became of a folding configuration.

    Attributes:
        graph: the design with it.
        unmatched: node names of the file that the design does not have, each with the nearest name.
        ignored: (node, key) pairs that have no meaning here.
        unmentioned: blocks that the file leaves as they were.
    """

    graph: DataflowGraph
    unmatched: Mapping[str, str | None]
    ignored: tuple[tuple[str, str], ...]
    unmentioned: tuple[str, ...]


def read_folding_config(path: Path) -> dict[str, Any]:
    """The contents of a ``folding_config.json``. Raises BadInput for anything that is no such file."""
    path = Path(path)
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadInput(str(path), "does not exist", "give the path of a folding_config.json") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BadInput(str(path), f"is no readable JSON ({error})", "see auto_folding_config.json") from None
    if not isinstance(config, dict) or not all(isinstance(value, dict) for value in config.values()):
        raise BadInput(str(path), "is no object of objects", "see auto_folding_config.json")
    return config


def apply_folding_config(graph: DataflowGraph, config: Mapping[str, Mapping[str, Any]]) -> AppliedConfig:
    """Fold a design as a FINN configuration says.

    ``Defaults`` holds ``{attribute: [value, [op types]]}`` as in FINN (op types with or without backend
    suffix, or ``all``); other keys are node names.

    Raises:
        BadInput: a PE or SIMD that does not divide its channels, naming node, value and legal values.
    """
    graph = strip(graph)
    folds: dict[str, dict[str, int | str]] = {block.name: {} for block in graph.blocks}
    ignored: list[tuple[str, str]] = []
    for key, entry in config.get("Defaults", {}).items():
        value, ops = _default(key, entry)
        for block in graph.blocks:
            if "all" in ops or block.op in ops or block.op.rsplit("_", 1)[0] in ops:
                _set(block, key, value, folds[block.name], ignored)
    unmatched: dict[str, str | None] = {}
    for name, wishes in config.items():
        if name == "Defaults":
            continue
        if name not in graph.by_name:
            near = get_close_matches(name, graph.by_name, n=1)
            unmatched[name] = near[0] if near else None
            continue
        for key, value in wishes.items():
            _set(graph[name], key, value, folds[name], ignored)
    checked: dict[str, Fold] = {name: _checked(graph[name], fold) for name, fold in folds.items()}
    unmentioned = tuple(name for name, fold in folds.items() if not fold)
    return AppliedConfig(refold(graph, checked), unmatched, tuple(ignored), unmentioned)


def _default(key: str, entry: Any) -> tuple[Any, Sequence[str]]:
    match entry:
        case [value, [*ops]] if all(isinstance(op, str) for op in ops):
            return value, ops
    raise BadInput(
        f"Defaults.{key}", f"is {json.dumps(entry)}", 'give a value and op types: [4, ["MVAU"]], [4, ["all"]]'
    )  # fmt: skip


def _set(
    block: Block, key: str, value: Any, fold: dict[str, int | str], ignored: list[tuple[str, str]]
) -> None:
    known = {name for legal in (*block.folds[:1], *block.pixel_folds[:1]) for name in legal}
    if key in known or (key == "ram_style" and hasattr(block, "ram_style")):
        fold[key] = value
    elif key in _IGNORED or key in ("PE", "SIMD", "ram_style"):
        ignored.append((block.name, key))
    else:
        raise BadInput(
            f"{block.name}.{key}", "is no attribute of this block", f"use {', '.join(sorted(known))}"
        )


def _checked(block: Block, fold: Mapping[str, int | str]) -> Fold:
    for key, value in fold.items():
        if key == "ram_style":
            if value not in ("auto", "block", "distributed", "ultra"):
                raise BadInput(f"{block.name}.{key}", f"cannot be {value!r}", "use block or distributed")
            continue
        legal = sorted({int(option.get(key, 1)) for option in (*block.folds, *block.pixel_folds)})
        if type(value) is not int or value not in legal:  # true and 2.0 are equal to integers
            raise BadInput(
                f"{block.name}.{key} = {value!r}",
                "is no legal folding of its channels",
                f"use one of {legal}",
            )
    return fold
