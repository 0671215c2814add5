// A block's constants with a registered output: etb_rom, or with WRITABLE etb_writable, a link of the chain.
// READ: cycles from an address to `word`, which is `data` or a register behind it. ROWS: see etb_rom; a memory
// that is written has one bank.
module etb_memory #(
    parameter bit WRITABLE = 0,
    parameter int WIDTH    = 8,
    parameter int DEPTH    = 16,
    parameter     FILE     = "",
    parameter int STYLE    = 0,
    parameter int READ     = 1,
    parameter int ROWS     = DEPTH,
    parameter int AW       = DEPTH > 1 ? $clog2(DEPTH) : 1
) (
    input  logic             clk,
    input  logic             loading,
    input  logic             en,
    input  logic [AW-1:0]    addr,
    output logic [WIDTH-1:0] data,
    input  logic [WIDTH-1:0] word,
    input  logic [10:0]      load_in,
    output logic [10:0]      load_out
);
  generate
    if (WRITABLE) begin : g_writable
      etb_writable #(
          .WIDTH(WIDTH), .DEPTH(DEPTH), .FILE(FILE), .STYLE(STYLE), .READ(READ)
      ) u (
          .clk(clk), .loading(loading), .en(en), .addr(addr), .data(data), .word(word),
          .load_in(load_in), .load_out(load_out)
      );
    end else begin : g_fixed
      etb_rom #(
          .WIDTH(WIDTH), .DEPTH(DEPTH), .FILE(FILE), .STYLE(STYLE), .ROWS(ROWS)
      ) u (
          .clk(clk), .en(en), .addr(addr), .data(data)
      );
      assign load_out = '0;
      logic unused;
      assign unused = &{1'b0, loading, word, load_in};
    end
  endgenerate
endmodule
