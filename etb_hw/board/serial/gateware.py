"""The gateware: the design behind the serial bridge, the board's top with clock and pins, constraints."""

from __future__ import annotations

from importlib.resources import files

from etb_hw.board.boards import SerialBoard
from etb_hw.board.chain import chain_of
from etb_hw.board.describe import design_sources
from etb_hw.board.serial.toolchain import CLOCK
from etb_hw.dataflow.graph import DataflowGraph
from etb_hw.errors import BadInput
from etb_hw.rtl.generator import TOP, axis_width
from etb_hw.rtl.library import module_text

SYSTEM, BOARD_TOP = "etb_uart_system", "etb_board"
MODULES = ("etb_uart_rx", "etb_uart_tx", "etb_loader", "etb_uart_bridge")
SECONDS_WITHOUT_A_BYTE = 0.1
WIRED = ("clock", "from_host", "to_host")  # ports of the top; all others have one level


def gateware(design: DataflowGraph) -> dict[str, str]:
    """Sources of the design and of the bridge, by file name; ``system_text`` joins them."""
    folder = files("etb_hw.board") / "sv"
    bridge = {f"{name}.sv": (folder / f"{name}.sv").read_text(encoding="utf-8") for name in MODULES}
    return {"etb_ram.sv": module_text("etb_ram"), **design_sources(design), **bridge}


def limit_of(design: DataflowGraph) -> int:
    """Cycles after which a frame is taken for lost: many times what one takes."""
    return 16 * (sum(block.cycles for block in design.blocks) + 4096)


def system_text(design: DataflowGraph, build: str, clocks_a_bit: int, timeout: int) -> str:
    """The design behind the bridge: clock, reset and a serial line."""
    wide_in, wide_out = axis_width(design.input_stream), axis_width(design.output_stream)
    chain = chain_of(design)
    return f"""// The design {TOP} behind a serial line; see etb_uart_bridge.sv for the protocol.
module {SYSTEM} (
    input  logic clk,
    input  logic rst,
    input  logic rx,
    output logic tx,
    output logic [1:0] led
);
  logic [{wide_in - 1}:0] s_data;
  logic [{wide_out - 1}:0] m_data;
  logic s_valid, s_ready, m_valid, m_ready, core_rst;
{chain.declared}  etb_uart_bridge #(
      .CLOCKS({clocks_a_bit}),
      .IN_BYTES({wide_in // 8}),
      .IN_BEATS({design.input_stream.beats}),
      .OUT_BYTES({wide_out // 8}),
      .OUT_BEATS({design.output_stream.beats}),
      .BUILD(64'h{build}),
      .TIMEOUT({timeout}),
      .LIMIT({limit_of(design)}),
      .LOAD_BYTES({chain.size})
  ) u_bridge (
      .clk, .rst, .rx, .tx, .core_rst, .led,
      .s_data, .s_valid, .s_ready, .m_data, .m_valid, .m_ready, {chain.at_loader}
  );
  {TOP} u_design (
      .aclk(clk), .aresetn(~core_rst),
      .s_axis_tdata(s_data), .s_axis_tvalid(s_valid), .s_axis_tready(s_ready),
      .m_axis_tdata(m_data), .m_axis_tvalid(m_valid), .m_axis_tready(m_ready){chain.at_design}
  );
endmodule
"""


def top_text(board: SerialBoard, mhz: float) -> str:
    """The board's top: its clock, a reset that waits for it, and the pins."""
    off = "~" if board.leds_low else ""
    driven = {"led_frame": f"{off}led[0]", "led_error": f"{off}led[1]"}
    driven = {name: driven.get(name, "1'b1") for name in board.sites() if name not in WIRED}
    ports = "".join(f",\n    output logic {name}" for name in driven)
    assigned = "".join(f"  assign {name} = {value};\n" for name, value in driven.items())
    return f"""// {board.title}: {board.clock_mhz:g} MHz to {mhz:g} MHz, serial line at {board.baud} baud.
module {BOARD_TOP} (
    input  logic clock,
    input  logic from_host,
    output logic to_host{ports}
);
  logic clk, locked;
  {CLOCK} u_clock (.clock, .clk, .locked);
  logic [7:0] waited = '0;
  logic rst = 1'b1;
  always_ff @(posedge clk) begin
    waited <= !locked ? '0 : waited == '1 ? waited : waited + 1'b1;
    rst    <= waited != '1;
  end
  logic [1:0] led;
{assigned}  {SYSTEM} u_system (.clk, .rst, .rx(from_host), .tx(to_host), .led);
endmodule
"""


def clocks_a_bit(board: SerialBoard, mhz: float) -> int:
    """Clock cycles a bit of the serial line. Raises BadInput where the rate would be more than 2 % off."""
    exact = mhz * 1e6 / board.baud
    found = round(exact)
    if found < 8 or abs(found - exact) > 0.02 * exact:
        raise BadInput(
            f"--clock-mhz {mhz:g}",
            f"does not give {board.baud} baud (8 clocks a bit or more, to 2 %)",
            f"use {25 * board.baud / 1e6:g} MHz or more, of which a bit is always made to 2 %",
        )
    return found
