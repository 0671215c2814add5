"""Lattice ECP5: its PLL, LPF constraints, nextpnr-ecp5 and ecppack."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from etb_hw.board.boards import SerialBoard
from etb_hw.board.serial.pll import Pll
from etb_hw.board.serial.toolchain import CLOCK, Toolchain
from etb_hw.rtl.nextpnr import Placement
from etb_hw.rtl.place_ecp5 import place_sources
from etb_hw.rtl.tools import Origin

# Lattice FPGA-DS-02012: sysCLOCK PLL timing; FPGA-TN-02200: its dividers
PLL = Pll(
    most_divide=128, most_multiply=80, outputs=range(1, 129), given=(8, 400), oscillator=(400, 800),
    made=(3.125, 400), lowest_compared=3.125,
)  # fmt: skip
# Charge pump and loop filter, as ecppll sets them for every frequency. nextpnr takes 0 for what is not given,
# with which the PLL does not lock.
LOOP = (
    '(* ICP_CURRENT="12" *) (* LPF_RESISTOR="8" *) (* MFG_ENABLE_FILTEROPAMP="1" *) (* MFG_GMCREF_SEL="2" *)'
)


def clock_text(board: SerialBoard, mhz: float) -> str:
    """The PLL."""
    divide, multiply, out = PLL.dividers(board.clock_mhz, mhz)
    return f"""// {board.clock_mhz:g} MHz to {mhz:g} MHz.
module {CLOCK} (
    input  logic clock,
    output logic clk,
    output logic locked
);
  (* FREQUENCY_PIN_CLKI="{board.clock_mhz:g}" *) (* FREQUENCY_PIN_CLKOP="{mhz:g}" *)
  {LOOP}
  EHXPLLL #(
      .CLKI_DIV({divide}), .CLKFB_DIV({multiply}), .CLKOP_DIV({out}), .CLKOP_CPHASE({out - 1}),
      .CLKOP_FPHASE(0), .CLKOP_ENABLE("ENABLED"), .FEEDBK_PATH("CLKOP"), .PLLRST_ENA("DISABLED"),
      .INTFB_WAKE("DISABLED"), .STDBY_ENABLE("DISABLED"), .DPHASE_SOURCE("DISABLED"),
      .OUTDIVIDER_MUXA("DIVA")
  ) u_pll (
      .RST(1'b0), .STDBY(1'b0), .CLKI(clock), .CLKOP(clk), .CLKFB(clk), .CLKINTFB(), .PHASESEL0(1'b0),
      .PHASESEL1(1'b0), .PHASEDIR(1'b1), .PHASESTEP(1'b1), .PHASELOADREG(1'b1), .PLLWAKESYNC(1'b0),
      .ENCLKOP(1'b0), .LOCK(locked)
  );
endmodule
"""


def lpf_text(board: SerialBoard) -> str:
    """Pins and clock for nextpnr."""
    lines = [f"# {board.title}. Pins: {board.source}", f'FREQUENCY PORT "clock" {board.clock_mhz:g} MHZ;']
    for name, site in board.sites().items():
        pull = "UP" if name == "from_host" else "NONE"
        lines.append(f'LOCATE COMP "{name}" SITE "{site}";')
        lines.append(f'IOBUF PORT "{name}" PULLMODE={pull} IO_TYPE=LVCMOS33;')
    return "\n".join(lines) + "\n"


def place(
    sources: Mapping[str, str],
    top: str,
    board: SerialBoard,
    mhz: float,
    tools: Origin,
    stage: Callable[[str], None],
) -> Placement:
    """Route it. Raises InfeasibleTarget where it does not fit."""
    return place_sources(
        sources, top, board.device, package=board.package, constraints=lpf_text(board), target_mhz=mhz,
        tools=tools, stage=stage,
    )  # fmt: skip


def commands(sources: str, top: str, board: SerialBoard, mhz: float) -> str:
    """What builds the bitstream from the gateware."""
    return f"""    yosys -p "read_verilog -sv {sources}; synth_ecp5 -top {top} -json design.json"
    nextpnr-ecp5 --{board.device} --package {board.package} --lpf pins.lpf --json design.json \\
        --textcfg design.config --freq {mhz:g}
    ecppack --compress design.config design.bit
"""


ECP5 = Toolchain(clock_text, "pins.lpf", lpf_text, place, "design.bit", commands)
