"""Gowin GW2A: its PLL, CST constraints, nextpnr-himbaechel and Apicula."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from etb_hw.board.boards import SerialBoard
from etb_hw.board.serial.pll import Pll
from etb_hw.board.serial.toolchain import CLOCK, Toolchain
from etb_hw.rtl.nextpnr import Placement
from etb_hw.rtl.place_gowin import place_gowin
from etb_hw.rtl.tools import Origin

# Gowin DS226, speed grade C8/I7; UG286: its dividers
PLL = Pll(
    most_divide=64, most_multiply=64, outputs=(2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128), given=(3, 500),
    oscillator=(500, 1250), made=(3.90625, 625), lowest_compared=3,
)  # fmt: skip
_FIXED = (
    '.DYN_IDIV_SEL("false"), .DYN_FBDIV_SEL("false"), .DYN_ODIV_SEL("false"), .PSDA_SEL("0000"),\n'
    '      .DYN_DA_EN("false"), .DUTYDA_SEL("1000"), .CLKOUT_FT_DIR(1\'b1), .CLKOUTP_FT_DIR(1\'b1),\n'
    '      .CLKOUT_DLY_STEP(0), .CLKOUTP_DLY_STEP(0), .CLKFB_SEL("internal"), .CLKOUT_BYPASS("false"),\n'
    '      .CLKOUTP_BYPASS("false"), .CLKOUTD_BYPASS("false"), .DYN_SDIV_SEL(2), .CLKOUTD_SRC("CLKOUT"),\n'
    '      .CLKOUTD3_SRC("CLKOUT")'
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
  rPLL #(
      .FCLKIN("{board.clock_mhz:g}"), .DEVICE("{board.chip}"),
      .IDIV_SEL({divide - 1}), .FBDIV_SEL({multiply - 1}), .ODIV_SEL({out}),
      {_FIXED}
  ) u_pll (
      .CLKIN(clock), .CLKOUT(clk), .LOCK(locked), .CLKFB(1'b0), .RESET(1'b0), .RESET_P(1'b0),
      .FBDSEL(6'b0), .IDSEL(6'b0), .ODSEL(6'b0), .PSDA(4'b0), .DUTYDA(4'b0), .FDLY(4'b0),
      .CLKOUTP(), .CLKOUTD(), .CLKOUTD3()
  );
endmodule
"""


def cst_text(board: SerialBoard) -> str:
    """Pins for nextpnr."""
    lines = [f"// {board.title}. Pins: {board.source}"]
    for name, site in board.sites().items():
        pull = " PULL_MODE=UP" if name == "from_host" else ""
        lines += [f'IO_LOC "{name}" {site};', f'IO_PORT "{name}" IO_TYPE=LVCMOS33{pull};']
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
    assert board.chip is not None, "a board file without it is refused"
    return place_gowin(
        sources, top, board.device, board.chip, constraints=cst_text(board), target_mhz=mhz, tools=tools,
        stage=stage,
    )  # fmt: skip


def commands(sources: str, top: str, board: SerialBoard, mhz: float) -> str:
    """What builds the bitstream from the gateware."""
    synth = f"synth_gowin -family gw2a -top {top} -json design.json"
    return f"""    yosys -p "read_verilog -sv {sources}; {synth}"
    nextpnr-himbaechel --device {board.device} --vopt family={board.chip} --vopt cst=pins.cst \\
        --json design.json --write routed.json --freq {mhz:g}
    gowin_pack -d {board.chip} -o design.fs routed.json
"""


GOWIN = Toolchain(clock_text, "pins.cst", cst_text, place, "design.fs", commands)
