// Memory with one write port and one registered read port. The two never meet on one word.
// STYLE: 0 as synthesis likes, 1 block RAM, 2 LUT RAM, 3 UltraRAM.
module etb_ram #(
    parameter int WIDTH = 8,
    parameter int DEPTH = 16,
    parameter int STYLE = 0,
    parameter int AW    = DEPTH > 1 ? $clog2(DEPTH) : 1
) (
    input  logic             clk,
    input  logic             write,
    input  logic [AW-1:0]    waddr,
    input  logic [WIDTH-1:0] wdata,
    input  logic             read,
    input  logic [AW-1:0]    raddr,
    output logic [WIDTH-1:0] rdata
);
  generate
    if (STYLE == 1) begin : g_block
      (* ram_style = "block" *) logic [WIDTH-1:0] mem[DEPTH];
      always_ff @(posedge clk) if (write) mem[waddr] <= wdata;
      always_ff @(posedge clk) if (read) rdata <= mem[raddr];
    end else if (STYLE == 2) begin : g_lutram
      (* ram_style = "distributed" *) logic [WIDTH-1:0] mem[DEPTH];
      always_ff @(posedge clk) if (write) mem[waddr] <= wdata;
      always_ff @(posedge clk) if (read) rdata <= mem[raddr];
    end else if (STYLE == 3) begin : g_ultra
      (* ram_style = "ultra" *) logic [WIDTH-1:0] mem[DEPTH];
      always_ff @(posedge clk) if (write) mem[waddr] <= wdata;
      always_ff @(posedge clk) if (read) rdata <= mem[raddr];
    end else begin : g_auto
      logic [WIDTH-1:0] mem[DEPTH];
      always_ff @(posedge clk) if (write) mem[waddr] <= wdata;
      always_ff @(posedge clk) if (read) rdata <= mem[raddr];
    end
  endgenerate
endmodule
