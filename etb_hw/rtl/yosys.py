"""The Yosys driver: SystemVerilog to cell counts, cached by content."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from etb_hw.dataflow.block import Block
from etb_hw.dataflow.graph import DataflowGraph
from etb_hw.errors import BadInput, EtbError
from etb_hw.rtl import cache
from etb_hw.rtl.cells import CELLS, Usage, count
from etb_hw.rtl.generator import TOP, block_ports, fifo_parameters, generate
from etb_hw.rtl.instance import block_text, instance_text, memory_file, memory_text
from etb_hw.rtl.library import module_text, needed_modules
from etb_hw.rtl.tools import Tool, find_yosys

BLOCK_TOP = "etb_block"
Family = Literal["xc7", "xcup", "ecp5", "ice40"]

# without the wide multiplexers behind LUTs ABC needs up to a quarter fewer LUTs for these designs
_SYNTH = {
    "xc7": "synth_xilinx -family xc7 -flatten -nowidelut -noiopad -top {top}",
    "xcup": "synth_xilinx -family xcup -flatten -nowidelut -noiopad -top {top}",
    "ecp5": "synth_ecp5 -top {top}",
    "ice40": "synth_ice40 -top {top}",
}


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
    """

    family: str
    tool: str
    rows: tuple[SynthRow, ...]
    whole: bool

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
) -> SynthReport:
    """Synthesise block by block (each once a content), or the whole design at once.

    Raises:
        BadInput: for an unknown family.
        MissingTool: without Yosys.
        SynthesisError: if Yosys fails or takes longer than ``timeout`` seconds for a block.
    """
    tool = yosys or find_yosys()
    if whole:
        usage = synth_sources(generate(design), TOP, family, cache_dir=cache_dir, yosys=tool, timeout=timeout)
        return SynthReport(family, tool.version, (SynthRow(TOP, "", usage),), True)
    rows = []
    for block in design.blocks:
        usage = synth_block(block, family, cache_dir=cache_dir, yosys=tool, timeout=timeout)
        rows.append(SynthRow(block.name, block.layer, usage))
    for i, edge in enumerate(design.edges):
        if edge.depth > 0:
            stream = design[edge.source.block].outputs[edge.source.index]
            sources = fifo_sources(stream.width, max(2, edge.depth))
            usage = synth_sources(
                sources, BLOCK_TOP, family, cache_dir=cache_dir, yosys=tool, timeout=timeout
            )
            rows.append(SynthRow(f"FIFO_{i}", f"{edge.source.block} -> {edge.target.block}", usage))
    return SynthReport(family, tool.version, tuple(rows), False)


def synth_block(
    block: Block,
    family: Family = "xc7",
    *,
    cache_dir: Path = cache.DEFAULT,
    yosys: Tool | None = None,
    timeout: float | None = None,
) -> Usage:
    """Resources of one block by itself."""
    sources = block_sources(block)
    return synth_sources(sources, BLOCK_TOP, family, cache_dir=cache_dir, yosys=yosys, timeout=timeout)


def synth_sources(
    sources: Mapping[str, str],
    top: str,
    family: Family,
    *,
    cache_dir: Path = cache.DEFAULT,
    yosys: Tool | None = None,
    timeout: float | None = None,
) -> Usage:
    """Resources of module ``top`` of ``sources`` (texts by file name)."""
    folder = netlist(sources, top, family, cache_dir=cache_dir, yosys=yosys, timeout=timeout)
    return count(json.loads((folder / "cells.json").read_text(encoding="utf-8")), family)


def netlist(
    sources: Mapping[str, str],
    top: str,
    family: Family,
    *,
    keep: bool = False,
    cache_dir: Path = cache.DEFAULT,
    yosys: Tool | None = None,
    timeout: float | None = None,
) -> Path:
    """A folder with ``cells.json`` (cells by name) and, with ``keep``, the netlist ``netlist.json``."""
    if family not in CELLS:
        raise BadInput(f"family {family!r}", "is not supported", f"use one of: {', '.join(CELLS)}")
    tool = yosys or find_yosys()
    files = {name: text for name, text in sources.items() if name.endswith((".sv", ".mem"))}
    steps = [
        f"read_verilog -sv -defer {' '.join(name for name in files if name.endswith('.sv'))}",
        _SYNTH[family].format(top=top),
        "tee -q -o stat.json stat -json",
    ]
    if keep:
        steps.append("write_json netlist.json")
    script = "\n".join(steps) + "\n"
    key = cache.key_of([tool.version, script, *(part for item in sorted(files.items()) for part in item)])

    def make(folder: Path) -> None:
        for name, text in {**files, "synth.ys": script}.items():
            (folder / name).write_text(text, encoding="utf-8")
        try:
            done = tool.run(["-q", "-s", "synth.ys"], folder, timeout)
        except subprocess.TimeoutExpired:
            raise SynthesisError(
                top, f"Yosys took longer than {timeout} s", "allow more time, or fold the block more"
            ) from None
        if done.returncode:
            lines = [line for line in (done.stdout + done.stderr).splitlines() if "ERROR" in line]
            raise SynthesisError(top, "\n".join(lines) or done.stderr[-1000:], "report this with the design")
        text = (folder / "stat.json").read_text(encoding="utf-8")
        cells = json.loads(text[text.index("{") :])["design"]["num_cells_by_type"]
        for path in folder.iterdir():
            if path.name != "netlist.json":
                path.unlink()
        (folder / "cells.json").write_text(json.dumps(cells, indent=1, sort_keys=True), encoding="utf-8")

    return cache.cached_folder(cache_dir, "yosys", key, make)


def block_sources(block: Block) -> dict[str, str]:
    """A module ``etb_block`` around one block, its modules and memories."""
    instance = block.rtl()
    heads = ["input logic clk", "input logic rst"]
    inputs = [f"i{i}" for i in range(len(block.inputs))]
    outputs = [f"o{i}" for i in range(len(block.outputs))]
    for name, stream in zip(inputs, block.inputs, strict=True):
        heads += [f"input logic [{stream.width - 1}:0] {name}_data", f"input logic {name}_valid"]
        heads.append(f"output logic {name}_ready")
    for name, stream in zip(outputs, block.outputs, strict=True):
        heads += [f"output logic [{stream.width - 1}:0] {name}_data", f"output logic {name}_valid"]
        heads.append(f"input logic {name}_ready")
    body = block_text("block", instance, block_ports(inputs, outputs))
    sources = _with_modules(f"etb_{instance.module}", heads, body)
    # the block's own name must not matter for the cache
    return sources | {memory_file("block", memory): memory_text(memory) for memory in instance.memories}


def fifo_sources(width: int, depth: int) -> dict[str, str]:
    """A module ``etb_block`` that is one FIFO."""
    heads = ["input logic clk", "input logic rst"]
    heads += [f"input logic [{width - 1}:0] i0_data", "input logic i0_valid", "output logic i0_ready"]
    heads += [f"output logic [{width - 1}:0] o0_data", "output logic o0_valid", "input logic o0_ready"]
    parameters = fifo_parameters(width, depth)
    return _with_modules(
        "etb_fifo", heads, instance_text("etb_fifo", "u_fifo", parameters, block_ports(["i0"], ["o0"]))
    )


def _with_modules(module: str, heads: list[str], body: str) -> dict[str, str]:
    sources = {f"{name}.sv": module_text(name) for name in needed_modules([module])}
    head = ",\n  ".join(heads)
    sources[f"{BLOCK_TOP}.sv"] = f"module {BLOCK_TOP} (\n  {head}\n);\n{body}endmodule\n"
    return sources
