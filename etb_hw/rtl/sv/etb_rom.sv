// Read-only memory with a registered output, filled from a .mem file (one hexadecimal word a line).
//
// STYLE 1 asks for block RAM; 2 becomes LUTs in which synthesis folds the constants; 0 leaves the choice to
// synthesis; 3 (UltraRAM, which cannot be filled at power-up) is taken as 1. One word is a constant.
// With ROWS (a power of two) below DEPTH, word r of the file holds words r, r + ROWS, r + 2 ROWS, ... side by
// side, the first in the least significant bits: one is chosen behind a register. Latency: 1 cycle, then 2.
module etb_rom #(
    parameter int WIDTH = 8,
    parameter int DEPTH = 16,
    parameter     FILE  = "",
    parameter int STYLE = 0,
    parameter int ROWS  = DEPTH,
    parameter int AW    = DEPTH > 1 ? $clog2(DEPTH) : 1
) (
    input  logic             clk,
    input  logic             en,
    input  logic [AW-1:0]    addr,
    output logic [WIDTH-1:0] data
);
  generate
    if (DEPTH == 1) begin : g_constant
      logic [WIDTH-1:0] mem[1];
      initial if (FILE != "") $readmemh(FILE, mem);
      always_comb data = mem[0];  // an assign does not see $readmemh in every simulator
      logic unused;
      assign unused = &{1'b0, clk, en, addr};
    end else if (ROWS < DEPTH) begin : g_banks
      localparam int BANKS = (DEPTH + ROWS - 1) / ROWS;
      localparam int RB = $clog2(ROWS);
      (* ram_style = "block", rom_style = "block" *) logic [BANKS*WIDTH-1:0] mem[ROWS];
      initial if (FILE != "") $readmemh(FILE, mem);
      logic [BANKS*WIDTH-1:0] row, kept;
      logic [AW-1:RB] bank, kept_bank;
      always_ff @(posedge clk) if (en) row <= mem[addr[RB-1:0]];
      always_ff @(posedge clk)
        if (en) begin
          kept      <= row;
          bank      <= addr[AW-1:RB];
          kept_bank <= bank;
        end
      etb_choose #(.WIDTH(WIDTH), .COUNT(BANKS), .PB(AW - RB)) u_choose (
          .place(kept_bank), .words(kept), .y(data)
      );
    end else if (STYLE == 1 || STYLE == 3) begin : g_block
      (* ram_style = "block", rom_style = "block" *) logic [WIDTH-1:0] mem[DEPTH];
      initial if (FILE != "") $readmemh(FILE, mem);
      always_ff @(posedge clk) if (en) data <= mem[addr];
    end else if (STYLE == 2) begin : g_lut
      (* ram_style = "logic", rom_style = "logic" *) logic [WIDTH-1:0] mem[DEPTH];
      initial if (FILE != "") $readmemh(FILE, mem);
      always_ff @(posedge clk) if (en) data <= mem[addr];
    end else begin : g_auto
      logic [WIDTH-1:0] mem[DEPTH];
      initial if (FILE != "") $readmemh(FILE, mem);
      always_ff @(posedge clk) if (en) data <= mem[addr];
    end
  endgenerate
endmodule
