// Memory with one write port and one registered read port. The two never meet on one word, but where the word
// that is read then is never used.
// STYLE: 0 as synthesis likes, 1 block RAM, 2 LUT RAM, 3 UltraRAM.
// With ROWS (a power of two) below DEPTH, LUT RAM stands in parts of so many words, each with a register of its
// own: one is chosen behind it, and not on the way from the address to the register.
module etb_ram #(
    parameter int WIDTH = 8,
    parameter int DEPTH = 16,
    parameter int STYLE = 0,
    parameter int ROWS  = DEPTH,
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
    if (ROWS < DEPTH) begin : g_parts
      localparam int PARTS = (DEPTH + ROWS - 1) / ROWS;
      localparam int RB = $clog2(ROWS);
      localparam int PB = AW - RB;
      logic [PARTS*WIDTH-1:0] words;
      logic [PB-1:0] part;
      for (genvar p = 0; p < PARTS; p++) begin : g_part
        localparam int HERE = p < PARTS - 1 ? ROWS : DEPTH - ROWS * (PARTS - 1);
        localparam int HB = HERE > 1 ? $clog2(HERE) : 1;
        (* ram_style = "distributed" *) logic [WIDTH-1:0] mem[HERE];
        logic [WIDTH-1:0] word;
        always_ff @(posedge clk)
          if (write & waddr[AW-1:RB] == PB'(p)) mem[waddr[HB-1:0]] <= wdata;
        always_ff @(posedge clk) if (read) word <= mem[raddr[HB-1:0]];
        assign words[p*WIDTH+:WIDTH] = word;
      end
      always_ff @(posedge clk) if (read) part <= raddr[AW-1:RB];
      etb_choose #(.WIDTH(WIDTH), .COUNT(PARTS), .PB(PB)) u_choose (.place(part), .words(words), .y(rdata));
    end else if (STYLE == 1) begin : g_block
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
