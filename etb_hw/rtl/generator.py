"""A dataflow graph as a self-contained SystemVerilog design. Pure: text in, nothing written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from etb_hw.dataflow.graph import DataflowGraph, Port
from etb_hw.dataflow.stream import Stream
from etb_hw.files import write_text
from etb_hw.rtl.instance import CHAIN_BITS, block_text, instance_text, memory_file, memory_text
from etb_hw.rtl.library import module_text, needed_modules
from etb_hw.rtl.names import comment, instance_names
from etb_hw.rtl.readme import readme_text

TOP = "etb_top"
_CHAIN_PORTS = (
    f",\n    input  logic [{CHAIN_BITS - 1}:0] load_in,\n    output logic [{CHAIN_BITS - 1}:0] load_out"
)


@dataclass(frozen=True)
class Wire:
    """A stream of the design: its signals are ``<name>_data``, ``<name>_valid``, ``<name>_ready``.

    ``source`` is the port that drives it (None: the design's input), ``behind`` whether it comes out of the
    FIFO that follows that port.
    """

    name: str
    stream: Stream
    source: Port | None
    behind: bool = False


def axis_width(stream: Stream) -> int:
    """Bits of ``tdata``: whole bytes, as AXI-Stream and FINN have it."""
    return 8 * -(-stream.width // 8)


def source_wires(design: DataflowGraph) -> tuple[Wire, ...]:
    """What leaves each block, a wire an output port, in block order."""
    return tuple(
        Wire(f"s{number}_{index}", stream, Port(block.name, index))
        for number, block in enumerate(design.blocks)
        for index, stream in enumerate(block.outputs)
    )


def generate(design: DataflowGraph) -> dict[str, str]:
    """All files of the design by name: modules, top, memories, file list, README.

    The folder is flat, because $readmemh looks for its files from where the tool runs. Top module
    ``etb_top`` has ports ``aclk``, ``aresetn`` and AXI-Streams ``s_axis`` and ``m_axis``.
    """
    instances = [block.rtl() for block in design.blocks]
    modules = needed_modules([f"etb_{instance.module}" for instance in instances] + ["etb_fifo"])
    texts = {f"{name}.sv": module_text(name) for name in modules}
    names = instance_names(design)
    for block, instance in zip(design.blocks, instances, strict=True):
        for memory in instance.memories:
            texts[memory_file(names[block.name], memory)] = memory_text(memory)
    texts[f"{TOP}.sv"] = top_text(design)
    texts["files.f"] = "".join(f"{name}.sv\n" for name in (*modules, TOP))
    texts["README.md"] = readme_text(
        design, TOP, axis_width(design.input_stream), axis_width(design.output_stream)
    )
    return texts


def write(files: dict[str, str], folder: Path) -> None:
    """Write generated files into ``folder``, which is made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        write_text(folder / name, text)


def top_text(design: DataflowGraph) -> str:
    """The top module: every block, and a FIFO on every edge that has a depth."""
    wires = {wire.source: wire for wire in source_wires(design)}
    taken = {edge.source: edge for edge in design.edges}
    names = instance_names(design)
    body: list[str] = []
    declared: list[str] = []

    def declare(name: str, width: int) -> None:
        declared.append(f"  logic [{width - 1}:0] {name}_data;\n  logic {name}_valid, {name}_ready;\n")

    declare("in", design.input_stream.width)
    feeds: dict[Port, str] = {design.input_port: "in"}
    for wire in wires.values():
        assert wire.source is not None
        declare(wire.name, wire.stream.width)
        edge = taken.get(wire.source)
        if edge is None:
            continue
        feeds[edge.target] = wire.name
        if edge.depth > 0:
            name = f"f{wire.name[1:]}"
            declare(name, wire.stream.width)
            feeds[edge.target] = name
            fifo = design.fifos[wire.source]
            body.append(
                instance_text(
                    "etb_fifo",
                    f"u_{names[fifo.name]}",
                    fifo.rtl().parameters,
                    [*clocks(), *stream_ports("in", wire.name), *stream_ports("out", name)],
                )
            )

    chain, links = "load_in", 0
    for block in design.blocks:
        instance = block.rtl()
        before = chain
        if block.links:
            links += 1
            chain = f"load_{links}"
            declared.append(f"  logic [{CHAIN_BITS - 1}:0] {chain};\n")
        inputs = [feeds[Port(block.name, i)] for i in range(len(block.inputs))]
        outputs = [wires[Port(block.name, i)].name for i in range(len(block.outputs))]
        body.append(
            f"  // layer: {comment(block.layer)}\n"
            + block_text(names[block.name], instance, block_ports(inputs, outputs), (before, chain))
        )

    last = wires[design.output_port]
    width_in, width_out = design.input_stream.width, last.stream.width
    axis_in, axis_out = axis_width(design.input_stream), axis_width(design.output_stream)
    padding = axis_out - width_out
    out_data = f"{{{padding}'b0, {last.name}_data}}" if padding else f"{last.name}_data"
    unused = ""
    if axis_in > width_in:
        unused = f"  logic unused;\n  assign unused = &{{1'b0, s_axis_tdata[{axis_in - 1}:{width_in}]}};\n"
    return (
        f"// Generated by etb_hw: {len(design.blocks)} blocks. See README.md.\n"
        f"module {TOP} (\n"
        "    input  logic aclk,\n"
        "    input  logic aresetn,\n"
        f"    input  logic [{axis_in - 1}:0] s_axis_tdata,\n"
        "    input  logic s_axis_tvalid,\n"
        "    output logic s_axis_tready,\n"
        f"    output logic [{axis_out - 1}:0] m_axis_tdata,\n"
        "    output logic m_axis_tvalid,\n"
        "    input  logic m_axis_tready" + (_CHAIN_PORTS if links else "") + "\n);\n"
        "  logic clk, rst, live;\n"
        "  assign clk = aclk;\n"
        "  always_ff @(posedge clk) rst <= ~aresetn;\n"
        "  // nothing is offered or taken from the first cycle of a reset on (AMBA AXI-Stream, 2.8.2)\n"
        "  assign live = aresetn & ~rst;\n\n"
        + "".join(declared)
        + "\n"
        + f"  assign in_data = s_axis_tdata[{width_in - 1}:0];\n"
        + "  assign in_valid = s_axis_tvalid & live;\n"
        + "  assign s_axis_tready = in_ready & live;\n"
        + f"  assign m_axis_tdata = {out_data};\n"
        + f"  assign m_axis_tvalid = {last.name}_valid & live;\n"
        + f"  assign {last.name}_ready = m_axis_tready & live;\n"
        + unused
        + (f"  assign load_out = {chain};\n" if links else "")
        + "\n"
        + "\n".join(body)
        + "endmodule\n"
    )


def clocks() -> list[tuple[str, str]]:
    return [("clk", "clk"), ("rst", "rst")]


def stream_ports(port: str, signal: str) -> list[tuple[str, str]]:
    return [(f"{port}_{part}", f"{signal}_{part}") for part in ("data", "valid", "ready")]


def block_ports(inputs: list[str], outputs: list[str]) -> list[tuple[str, str]]:
    """Connections of a block: several inputs have ports of their own, several outputs lie side by side."""
    ports = clocks()
    if len(inputs) == 1:
        ports += stream_ports("in", inputs[0])
    else:
        for i, name in enumerate(inputs):
            ports += stream_ports(f"in{i}", name)
    if len(outputs) == 1:
        return ports + stream_ports("out", outputs[0])
    for part in ("data", "valid", "ready"):
        ports.append((f"out_{part}", "{" + ", ".join(f"{name}_{part}" for name in reversed(outputs)) + "}"))
    return ports
