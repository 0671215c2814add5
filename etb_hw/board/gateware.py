"""The gateware: the design behind the serial bridge, the board's top with clock and pins, constraints."""

from __future__ import annotations

from importlib.resources import files

from etb_hw.board.boards import Board
from etb_hw.dataflow.graph import DataflowGraph
from etb_hw.errors import BadInput
from etb_hw.rtl import cache
from etb_hw.rtl.generator import TOP, axis_width, generate
from etb_hw.rtl.library import module_text

SYSTEM, BOARD_TOP = "etb_uart_system", "etb_board"
MODULES = ("etb_uart_rx", "etb_uart_tx", "etb_uart_bridge")
SECONDS_WITHOUT_A_BYTE = 0.1


def gateware(design: DataflowGraph) -> dict[str, str]:
    """Sources of the design and of the bridge, by file name; ``system_text`` joins them."""
    design_files = {name: text for name, text in generate(design).items() if name.endswith((".sv", ".mem"))}
    folder = files("etb_hw.board") / "sv"
    bridge = {f"{name}.sv": (folder / f"{name}.sv").read_text(encoding="utf-8") for name in MODULES}
    return {"etb_ram.sv": module_text("etb_ram"), **design_files, **bridge}


def build_id(sources: dict[str, str]) -> str:
    """16 hexadecimal digits that stand for the design: the host refuses to talk to another one."""
    return cache.key_of([part for item in sorted(sources.items()) for part in item])[:16]


def limit_of(design: DataflowGraph) -> int:
    """Cycles after which a frame is taken for lost: many times what one takes."""
    return 16 * (sum(block.cycles for block in design.blocks) + 4096)


def system_text(design: DataflowGraph, build: str, clocks_a_bit: int, timeout: int) -> str:
    """The design behind the bridge: clock, reset and a serial line."""
    wide_in, wide_out = axis_width(design.input_stream), axis_width(design.output_stream)
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
  etb_uart_bridge #(
      .CLOCKS({clocks_a_bit}),
      .IN_BYTES({wide_in // 8}),
      .IN_BEATS({design.input_stream.beats}),
      .OUT_BYTES({wide_out // 8}),
      .OUT_BEATS({design.output_stream.beats}),
      .BUILD(64'h{build}),
      .TIMEOUT({timeout}),
      .LIMIT({limit_of(design)})
  ) u_bridge (
      .clk, .rst, .rx, .tx, .core_rst, .led,
      .s_data, .s_valid, .s_ready, .m_data, .m_valid, .m_ready
  );
  {TOP} u_design (
      .aclk(clk), .aresetn(~core_rst),
      .s_axis_tdata(s_data), .s_axis_tvalid(s_valid), .s_axis_tready(s_ready),
      .m_axis_tdata(m_data), .m_axis_tvalid(m_valid), .m_axis_tready(m_ready)
  );
endmodule
"""


def top_text(board: Board, mhz: float) -> str:
    """The board's top: PLL, a reset that waits for it, and the pins."""
    divide, multiply, out = pll(board.clock_mhz, mhz)
    high = "".join(f",\n    output logic {name}" for name in board.high)
    held = "".join(f"  assign {name} = 1'b1;\n" for name in board.high)
    leds = {"led_frame": board.pins.led_frame, "led_error": board.pins.led_error}
    ports = "".join(f",\n    output logic {name}" for name, site in leds.items() if site)
    lit = "".join(f"  assign {name} = led[{i}];\n" for i, (name, site) in enumerate(leds.items()) if site)
    return f"""// {board.title}: {board.clock_mhz:g} MHz to {mhz:g} MHz, serial line at {board.baud} baud.
module {BOARD_TOP} (
    input  logic clock,
    input  logic from_host,
    output logic to_host{ports}{high}
);
  logic clk, locked;
  (* FREQUENCY_PIN_CLKI="{board.clock_mhz:g}" *) (* FREQUENCY_PIN_CLKOP="{mhz:g}" *)
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
  logic [7:0] waited = '0;
  logic rst = 1'b1;
  always_ff @(posedge clk) begin
    waited <= !locked ? '0 : waited == '1 ? waited : waited + 1'b1;
    rst    <= waited != '1;
  end
  logic [1:0] led;
{lit}{held}  {SYSTEM} u_system (.clk, .rst, .rx(from_host), .tx(to_host), .led);
endmodule
"""


def lpf_text(board: Board) -> str:
    """Pins and clock for nextpnr."""
    pins = board.pins
    sites = {
        "clock": pins.clock, "from_host": pins.from_host, "to_host": pins.to_host,
        "led_frame": pins.led_frame, "led_error": pins.led_error, **board.high,
    }  # fmt: skip
    lines = [f"# {board.title}. Pins: {board.source}", f'FREQUENCY PORT "clock" {board.clock_mhz:g} MHZ;']
    for name, site in sites.items():
        if site:
            pull = "UP" if name == "from_host" else "NONE"
            lines.append(f'LOCATE COMP "{name}" SITE "{site}";')
            lines.append(f'IOBUF PORT "{name}" PULLMODE={pull} IO_TYPE=LVCMOS33;')
    return "\n".join(lines) + "\n"


def pll(given: float, wanted: float) -> tuple[int, int, int]:
    """Dividers of input, feedback and output of an ECP5 PLL (Lattice FPGA-TN-02200: VCO 400 to 800 MHz).

    Raises BadInput where none gives the frequency.
    """
    for divide in range(1, 9):
        multiply = wanted * divide / given
        if not 1 <= multiply <= 80 or abs(multiply - round(multiply)) > 1e-9 or given / divide < 3.125:
            continue
        for out in range(1, 129):
            if 400 <= wanted * out <= 800:
                return divide, round(multiply), out
    raise BadInput(
        f"--clock-mhz {wanted:g}",
        f"is no multiple that a PLL makes of {given:g} MHz",
        f"use {given:g}, {2 * given:g}",
    )


def clocks_a_bit(board: Board, mhz: float) -> int:
    """Clock cycles a bit of the serial line. Raises BadInput where the rate would be more than 2 % off."""
    exact = mhz * 1e6 / board.baud
    found = round(exact)
    if found < 8 or abs(found - exact) > 0.02 * exact:
        raise BadInput(
            f"--clock-mhz {mhz:g}",
            f"does not give {board.baud} baud (8 clocks a bit or more)",
            "use another clock",
        )
    return found
