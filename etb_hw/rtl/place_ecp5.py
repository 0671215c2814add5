"""Place and route for ECP5 with nextpnr: a real clock frequency, and a bitstream for designs that fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from etb_hw.dataflow.graph import DataflowGraph
from etb_hw.errors import BadInput
from etb_hw.rtl import cache
from etb_hw.rtl.generator import TOP, axis_width, generate
from etb_hw.rtl.nextpnr import Placement, packed, read_report, routed
from etb_hw.rtl.tools import ECPPACK, NEXTPNR, YOSYS, Origin, find
from etb_hw.rtl.yosys import netlist

# nextpnr's device options; the number is thousands of LUT4s
DEVICES = ("25k", "45k", "85k")
PIN_TOP = "etb_pins"


def place_ecp5(
    design: DataflowGraph,
    device: str = "85k",
    *,
    target_mhz: float = 100.0,
    bitstream: bool = True,
    seed: int = 1,
    cache_dir: Path = cache.DEFAULT,
    timeout: float | None = None,
    tools: Origin = "pinned",
    stage: Callable[[str], None] | None = None,
) -> Placement:
    """Synthesise, place and route a whole design.

    The streams are wider than a package has pins, so they are folded into shift registers behind six pins
    (``etb_pins``): logic and timing are those of the design, the pins are only a way in and out.

    Args:
        stage: gets the name of each part of the work as it begins.

    Raises:
        BadInput: for an unknown device.
        InfeasibleTarget: if the design does not fit.
        MissingTool: without Yosys or nextpnr.
        SynthesisError: if a tool fails.
    """
    sources = {**generate(design), f"{PIN_TOP}.sv": pin_text(design)}
    return place_sources(
        sources, PIN_TOP, device, target_mhz=target_mhz, bitstream=bitstream, seed=seed,
        cache_dir=cache_dir, timeout=timeout, tools=tools, stage=stage,
    )  # fmt: skip


def place_sources(
    sources: Mapping[str, str],
    top: str,
    device: str = "85k",
    *,
    package: str | None = None,
    constraints: str = "",
    target_mhz: float = 100.0,
    bitstream: bool = True,
    seed: int = 1,
    cache_dir: Path = cache.DEFAULT,
    timeout: float | None = None,
    tools: Origin = "pinned",
    stage: Callable[[str], None] | None = None,
) -> Placement:
    """Synthesise, place and route module ``top`` of ``sources`` (texts by file name).

    Args:
        package: nextpnr's name of the chip's package; constraints: an LPF file for its pins.
        stage: as of ``place_ecp5``.

    Raises: as ``place_ecp5``.
    """
    if device not in DEVICES:
        raise BadInput(f"ECP5 device {device!r}", "is not known", f"use one of: {', '.join(DEVICES)}")
    yosys, nextpnr = find(YOSYS, tools), find(NEXTPNR, tools)
    begin = stage or (lambda _: None)
    begin(f"synthesising with {yosys.version}")
    folder = netlist(
        sources, top, "ecp5", keep=True, primitives=package is not None, cache_dir=cache_dir, yosys=yosys,
        timeout=timeout,
    )  # fmt: skip
    text = (folder / "netlist.json").read_text(encoding="utf-8")
    parts = [nextpnr.version, device, str(target_mhz), str(seed), text]
    key = cache.key_of([*parts, package, constraints] if package else parts)
    more = ["--package", package, "--lpf", "pins.lpf"] if package else []
    routed_at = routed(
        nextpnr, [f"--{device}", "--textcfg", "design.config", *more],
        {"netlist.json": text, "pins.lpf": constraints}, f"ECP5-{device}", target_mhz=target_mhz, seed=seed,
        entry=(cache_dir, "nextpnr", key), timeout=timeout, begin=begin,
    )  # fmt: skip
    used, fmax = read_report(routed_at / "report.json")
    bits = None
    used_tools: tuple[str, ...] = (yosys.version, nextpnr.version)
    if bitstream:
        packer = find(ECPPACK, tools)
        begin("packing the bitstream")
        arguments = ["--compress", "design.config", "design.bit"]
        bits = packed(packer, ECPPACK.name, arguments, routed_at / "design.config", "design.bit")
        used_tools = (*used_tools, packer.version)
    return Placement(device, fmax, used, bits, used_tools)


def pin_text(design: DataflowGraph) -> str:
    """The design behind six pins: clock, reset, serial in with a strobe, serial out with a strobe."""
    width_in, width_out = axis_width(design.input_stream), axis_width(design.output_stream)
    return f"""// Serial pins around {TOP}, for place and route: every bit of both streams stays observable.
module {PIN_TOP} (
    input  logic clk,
    input  logic resetn,
    input  logic d,
    input  logic load,
    output logic q,
    output logic busy
);
  logic [{width_in - 1}:0] in;
  logic [{width_out - 1}:0] out, shift;
  logic in_valid, in_ready, out_valid;
  always_ff @(posedge clk) begin
    in <= {width_in}'({{in, d}});
    in_valid <= load | (in_valid & ~in_ready);
    shift <= out_valid ? out : {width_out}'({{1'b0, shift}} >> 1);
    q <= shift[0];
    busy <= in_valid;
  end
  {TOP} dut (
      .aclk(clk), .aresetn(resetn),
      .s_axis_tdata(in), .s_axis_tvalid(in_valid), .s_axis_tready(in_ready),
      .m_axis_tdata(out), .m_axis_tvalid(out_valid), .m_axis_tready(1'b1)
  );
endmodule
"""
