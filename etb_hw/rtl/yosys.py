"""The Yosys driver: SystemVerilog to cell counts, cached by content."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from etb_hw.dataflow.block import Block
from etb_hw.dataflow.graph import DataflowGraph
from etb_hw.errors import BadInput, EtbError
from etb_hw.rtl import cache
from etb_hw.rtl.cell_delays import LIBRARIES, CellDelays, cell_delays
from etb_hw.rtl.cells import CELLS, Usage, count
from etb_hw.rtl.generator import TOP, block_ports, generate
from etb_hw.rtl.instance import CHAIN_BITS, block_text, memory_file, memory_text
from etb_hw.rtl.library import module_text, needed_modules
from etb_hw.rtl.longest_path import LongestPath, longest_path
from etb_hw.rtl.tools import Tool, find_yosys

BLOCK_TOP, BATCH_TOP = "etb_block", "etb_batch"
BATCH = 16  # blocks a run
Family = Literal["xc7", "xcup", "ecp5", "ice40", "gw2a"]

# Read-only memories are mapped by themselves and joined afterwards: taken together with the logic behind
# them, ABC spends more LUTs on deep ones (make bench ONLY=roms). One word (a layer that is fully unrolled)
# is a constant and no memory ($dff: the output register): it folds into the logic. All else is flat.
_ROMS_APART = (
    "hierarchy -check -top {top}",
    "proc",
    "select -set roms *etb_rom*/t:$dff %m",
    "setattr -mod -set keep_hierarchy 1 @roms",
)
_JOINED = ("setattr -mod -unset keep_hierarchy @roms", "flatten", "opt_clean")
_SYNTH: Mapping[Family, tuple[str, ...]] = {
    "xc7": (*_ROMS_APART, "synth_xilinx -family xc7 -flatten -noiopad -top {top}", *_JOINED),
    "xcup": (*_ROMS_APART, "synth_xilinx -family xcup -uram -flatten -noiopad -top {top}", *_JOINED),
    "ecp5": (*_ROMS_APART, "synth_ecp5 -top {top}", *_JOINED),
    # iCE40 has no LUT memories
    "ice40": (
        "hierarchy -check -top {top}",
        "setattr -unset ram_style a:ram_style=distributed",
        "synth_ice40 -top {top}",
    ),
    "gw2a": (*_ROMS_APART, "synth_gowin -top {top} -family gw2a -noiopads", *_JOINED),
}
# for a board's top: the family's own primitives, such as its PLL, and the buffers of its pins
_PRIMITIVES: Mapping[str, tuple[str, ...]] = {
    "ecp5": ("+/ecp5/cells_bb.v",),
    "gw2a": ("+/gowin/cells_sim.v", "+/gowin/cells_xtra_gw2a.v"),
}
_PADS: Mapping[str, tuple[str, ...]] = {
    "gw2a": ("iopadmap -bits -inpad IBUF O:I -outpad OBUF I:O {top}", "clean")
}


def recipe(family: Family) -> str:
    """Yosys' script for a family, ``{top}`` standing for the module."""
    return "\n".join(_SYNTH[family])


class SynthesisError(EtbError):
    """Yosys or nextpnr gave up."""

    exit_code = 1


@dataclass(frozen=True, eq=False)
class SynthRow:
    """One block, or the FIFO of an edge, or the whole design."""

    name: str
    layer: str
    usage: Usage


@dataclass(frozen=True, eq=False)
class SynthReport:
    """Counted resources of a design.

    Attributes:
        tool: Yosys and its version.
        whole: whether the rows come from one flattened synthesis of the whole design.
        path: its longest path, of a whole design on a family whose cells' delays are known.
    """

    family: str
    tool: str
    rows: tuple[SynthRow, ...]
    whole: bool
    path: LongestPath | None = None

    @property
    def total(self) -> Usage:
        total = Usage()
        for row in self.rows:
            total += row.usage
        return total


def synth(
    design: DataflowGraph,
    family: Family = "xc7",
    *,
    whole: bool = False,
    cache_dir: Path = cache.DEFAULT,
    yosys: Tool | None = None,
    timeout: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> SynthReport:
    """Synthesise block by block (each once a content), or the whole design at once.

    Args:
        progress: gets how many blocks are done, and of how many.

    Raises:
        BadInput: for an unknown family.
        MissingTool: without Yosys.
        SynthesisError: if Yosys fails or takes longer than ``timeout`` seconds for a block.
    """
    tool = yosys or find_yosys()
    if whole:
        timed = family in LIBRARIES
        folder = netlist(
            generate(design), TOP, family, keep=timed, cache_dir=cache_dir, yosys=tool, timeout=timeout
        )
        path = path_of(folder, TOP, cell_delays(family, tool, cache_dir)) if timed else None
        return SynthReport(family, tool.version, (SynthRow(TOP, "", _load(folder, family)),), True, path)
    named: list[tuple[str, str, Block]] = [(block.name, block.layer, block) for block in design.blocks]
    targets = {edge.source: edge.target.block for edge in design.edges}
    for source, fifo in design.fifos.items():
        named.append((fifo.name, f"{source.block} -> {targets[source]}", fifo))
    usages = synth_blocks(
        [block for _, _, block in named], family, cache_dir=cache_dir, yosys=tool, timeout=timeout,
        progress=progress,
    )  # fmt: skip
    rows = [SynthRow(name, layer, usage) for (name, layer, _), usage in zip(named, usages, strict=True)]
    return SynthReport(family, tool.version, tuple(rows), False)


def path_of(folder: Path, top: str, delays: Mapping[str, CellDelays]) -> LongestPath | None:
    """The longest path of a netlist that ``netlist`` kept; None as of ``longest_path``."""
    kept = json.loads((folder / "netlist.json").read_text(encoding="utf-8"))
    return longest_path(kept["modules"][top], delays)


def synth_block(
    block: Block,
    family: Family = "xc7",
    *,
    cache_dir: Path = cache.DEFAULT,
    yosys: Tool | None = None,
    timeout: float | None = None,
) -> Usage:
    """Resources of one block by itself."""
    return synth_blocks([block], family, cache_dir=cache_dir, yosys=yosys, timeout=timeout)[0]


def synth_blocks(
    blocks: Sequence[Block],
    family: Family = "xc7",
    *,
    cache_dir: Path = cache.DEFAULT,
    yosys: Tool | None = None,
    timeout: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Usage]:
    """Resources of blocks, each by itself. Several share a run of Yosys, whose start takes seconds.

    Args:
        timeout: seconds for each block that is not in the cache.
        progress: gets how many of those are done, and of how many.
    """
    _check(family)
    tool = yosys or find_yosys()
    sources = [block_sources(block, BLOCK_TOP) for block in blocks]
    keys = [_key(tool, recipe(family), given) for given in sources]
    missing: dict[str, Block] = {}
    for key, block in zip(keys, blocks, strict=True):
        if not cache.is_whole(cache_dir / "yosys" / key):
            missing.setdefault(key, block)
    waiting = list(missing.items())
    for start in range(0, len(waiting), BATCH):
        batch = waiting[start : start + BATCH]
        limit = None if timeout is None else timeout * len(batch)
        for key, cells in _synth_batch(batch, family, tool, limit).items():
            _store(cache_dir, key, cells)
        if progress is not None:
            progress(start + len(batch), len(waiting))
    return [_load(cache_dir / "yosys" / key, family) for key in keys]


def _synth_batch(
    batch: Sequence[tuple[str, Block]], family: Family, tool: Tool, timeout: float | None
) -> dict[str, dict[str, int]]:
    """Cells by name of each block, by key, from one run."""
    sources: dict[str, str] = {}
    heads, body = ["input logic clk", "input logic rst"], ""
    for number, (_, block) in enumerate(batch):
        module = f"etb_u{number}"
        sources |= block_sources(block, module)
        ports = ["clk", "rst"]
        for port in block_heads(block)[2:]:
            direction, name = port.rsplit(" ", 1)
            heads.append(f"{direction} u{number}_{name}")
            ports.append(name)
        wired = ", ".join(
            f".{name}({name if name in ('clk', 'rst') else f'u{number}_{name}'})" for name in ports
        )
        body += f"  {module} u{number} ({wired});\n"
    head = ",\n  ".join(heads)
    sources[f"{BATCH_TOP}.sv"] = f"module {BATCH_TOP} (\n  {head}\n);\n{body}endmodule\n"
    names = [block.name for _, block in batch]
    with tempfile.TemporaryDirectory(prefix="etb_synth_") as scratch:
        stat = _run(sources, BATCH_TOP, family, Path(scratch), tool, timeout, where=", ".join(names))
    modules = {name.lstrip("\\"): made["num_cells_by_type"] for name, made in stat["modules"].items()}
    return {key: modules[f"etb_u{number}"] for number, (key, _) in enumerate(batch)}


def netlist(
    sources: Mapping[str, str],
    top: str,
    family: Family,
    *,
    keep: bool = False,
    primitives: bool = False,
    cache_dir: Path = cache.DEFAULT,
    yosys: Tool | None = None,
    timeout: float | None = None,
) -> Path:
    """A folder with ``cells.json`` (cells by name) and, with ``keep``, the netlist ``netlist.json``.

    ``primitives``: the sources are a board's top with pins, and instantiate some of the family's own cells.
    """
    _check(family)
    tool = yosys or find_yosys()
    key = _key(tool, f"{recipe(family)} {top} {keep}" + " primitives" * primitives, sources)

    def make(folder: Path) -> None:
        stat = _run(sources, top, family, folder, tool, timeout, keep=keep, primitives=primitives)
        for path in folder.iterdir():
            if path.name != "netlist.json":
                path.unlink()
        _write_cells(folder, stat["design"]["num_cells_by_type"])

    return cache.cached_folder(cache_dir, "yosys", key, make)


def block_heads(block: Block) -> list[str]:
    """Port declarations of a module around one block."""
    heads = ["input logic clk", "input logic rst"]
    for i, stream in enumerate(block.inputs):
        heads += [f"input logic [{stream.width - 1}:0] i{i}_data", f"input logic i{i}_valid"]
        heads.append(f"output logic i{i}_ready")
    for i, stream in enumerate(block.outputs):
        heads += [f"output logic [{stream.width - 1}:0] o{i}_data", f"output logic o{i}_valid"]
        heads.append(f"input logic o{i}_ready")
    if block.links:
        heads += [f"input logic [{CHAIN_BITS - 1}:0] load_in", f"output logic [{CHAIN_BITS - 1}:0] load_out"]
    return heads


def block_sources(block: Block, module: str) -> dict[str, str]:
    """A module around one block that keeps its hierarchy, the modules it needs, and its memories."""
    instance = block.rtl()
    inputs = [f"i{i}" for i in range(len(block.inputs))]
    outputs = [f"o{i}" for i in range(len(block.outputs))]
    # named after the module and not the block, so that equal blocks have equal sources
    body = block_text(module, instance, block_ports(inputs, outputs))
    sources = {f"{name}.sv": module_text(name) for name in needed_modules([f"etb_{instance.module}"])}
    head = ",\n  ".join(block_heads(block))
    sources[f"{module}.sv"] = f"(* keep_hierarchy *)\nmodule {module} (\n  {head}\n);\n{body}endmodule\n"
    return sources | {memory_file(module, memory): memory_text(memory) for memory in instance.memories}


def _check(family: str) -> None:
    if family not in CELLS:
        raise BadInput(f"family {family!r}", "is not supported", f"use one of: {', '.join(CELLS)}")


def _key(tool: Tool, recipe: str, sources: Mapping[str, str]) -> str:
    return cache.key_of([tool.version, recipe, *(part for item in sorted(sources.items()) for part in item)])


def _run(
    sources: Mapping[str, str],
    top: str,
    family: Family,
    folder: Path,
    tool: Tool,
    timeout: float | None,
    *,
    keep: bool = False,
    primitives: bool = False,
    where: str = "",
) -> dict[str, Any]:
    """Synthesise in ``folder``; Yosys' statistics."""
    files = {name: text for name, text in sources.items() if name.endswith((".sv", ".mem"))}
    if family != "xcup":  # no UltraRAM: its contents go where large memories go
        files = {
            name: text.replace('ram_style = "ultra"', 'ram_style = "block"') for name, text in files.items()
        }
    pads = [step.format(top=top) for step in _PADS.get(family, ())] if primitives else []
    steps = [
        f"read_verilog -sv -defer {' '.join(name for name in files if name.endswith('.sv'))}",
        recipe(family).format(top=top),
        *pads,
        "tee -q -o stat.json stat -json",
    ]
    if primitives:
        steps.insert(0, f"read_verilog -lib {' '.join(_PRIMITIVES[family])}")
    if keep:
        steps.append("write_json netlist.json")
    for name, text in {**files, "synth.ys": "\n".join(steps) + "\n"}.items():
        (folder / name).write_text(text, encoding="utf-8")
    try:
        done = tool.run(["-q", "-s", "synth.ys"], folder, timeout)
    except subprocess.TimeoutExpired:
        raise SynthesisError(
            where or top, f"Yosys took longer than {timeout:.0f} s", "allow more time, or fold the block more"
        ) from None
    if done.returncode:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if "ERROR" in line]
        reason = "\n".join(lines) or done.stderr[-1000:]
        raise SynthesisError(where or top, reason, "report this with the design")
    text = (folder / "stat.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text[text.index("{") :])
    return found


def _store(cache_dir: Path, key: str, cells: Mapping[str, int]) -> None:
    cache.cached_folder(cache_dir, "yosys", key, lambda folder: _write_cells(folder, cells))


def _write_cells(folder: Path, cells: Mapping[str, int]) -> None:
    (folder / "cells.json").write_text(json.dumps(cells, indent=1, sort_keys=True), encoding="utf-8")


def _load(folder: Path, family: Family) -> Usage:
    return count(json.loads((folder / "cells.json").read_text(encoding="utf-8")), family)
