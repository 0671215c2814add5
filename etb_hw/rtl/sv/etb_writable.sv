// A memory whose words can be written and read back at run time: a link of a chain, filled from a .mem file.
//
// Tokens run through the chain. [10:9] says what one is: 0 none, 1 rewind, 2 write, 3 read; [8] whether a
// memory has taken it; [7:0] is its byte. After a rewind each memory takes as many tokens as it has bytes,
// the first of the chain first: words in order, whole bytes a word, the low one first. A token leaves READ
// cycles after it was registered here; a taken read carries its byte.
// While `loading` the address is the chain's: the block is in reset, and its `en` high.
// STYLE as in etb_rom, but that 2 is LUT RAM. One word is a register. What an initial block sets, no always_ff
// may change.
module etb_writable #(
    parameter int WIDTH = 8,
    parameter int DEPTH = 16,
    parameter     FILE  = "",
    parameter int STYLE = 0,
    parameter int READ  = 1,
    parameter int AW    = DEPTH > 1 ? $clog2(DEPTH) : 1
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
  localparam int LANES = (WIDTH + 7) / 8;
  localparam int BITS = 8 * LANES;
  localparam int LW = LANES > 1 ? $clog2(LANES) : 1;
  localparam int T = LW + 12;  // a token, whether it reads here, and where

  logic [10:0] token;
  initial token = '0;  // no reset: the design's is held while tokens run
  logic [LW-1:0] lane;
  logic [AW-1:0] at, place;
  logic full, mine, last_lane, last_word;
  assign mine      = token[10] & ~token[8] & ~full;
  assign last_lane = lane == LW'(LANES - 1);
  assign last_word = at == AW'(DEPTH - 1);
  assign place     = loading ? at : addr;
  always @(posedge clk) begin
    token <= load_in;
    if (token[10:9] == 2'd1) begin
      lane <= '0;
      at   <= '0;
      full <= 1'b0;
    end else if (mine) begin
      lane <= last_lane ? '0 : lane + 1'b1;
      if (last_lane) begin
        at   <= last_word ? '0 : at + 1'b1;
        full <= last_word;
      end
    end
  end

  logic [LANES-1:0] write;
  logic writes;  // nothing is read meanwhile: no tool has to build what a collision gives
  assign writes = loading & mine & ~token[9];
  for (genvar i = 0; i < LANES; i++) begin : g_write
    assign write[i] = writes & (lane == LW'(i));
  end

  // the byte that was read joins its token
  logic [READ*T-1:0] late;
  initial late = '0;
  logic [10:0] passing;
  logic [LW-1:0] from;
  logic reads;
  logic [BITS-1:0] padded;
  always @(posedge clk)
    late <= (READ * T)'({late, lane, mine & token[9], token[10:9], token[8] | mine, token[7:0]});
  assign {from, reads, passing} = late[READ*T-1-:T];
  assign padded   = BITS'(word);
  assign load_out = {passing[10:8], reads ? padded[8*from+:8] : passing[7:0]};

  logic [BITS-1:0] read;
  assign data = read[WIDTH-1:0];
  if (BITS > WIDTH) begin : g_unused
    logic unused;
    assign unused = &{1'b0, read[BITS-1:WIDTH]};
  end
  generate
    if (DEPTH == 1) begin : g_register
      logic [BITS-1:0] mem[1];
      initial if (FILE != "") $readmemh(FILE, mem);
      always @(posedge clk)
        for (int i = 0; i < LANES; i++) if (write[i]) mem[0][8*i+:8] <= token[7:0];
      always_comb read = mem[0];  // an assign does not see $readmemh in every simulator
      logic unused_ports;
      assign unused_ports = &{1'b0, en, place};
    end else if (STYLE == 1 || STYLE == 3) begin : g_block
      (* ram_style = "block" *) logic [BITS-1:0] mem[DEPTH];
      initial if (FILE != "") $readmemh(FILE, mem);
      always @(posedge clk)
        for (int i = 0; i < LANES; i++) if (write[i]) mem[place][8*i+:8] <= token[7:0];
      always_ff @(posedge clk) if (en && !writes) read <= mem[place];
    end else if (STYLE == 2) begin : g_lut
      (* ram_style = "distributed" *) logic [BITS-1:0] mem[DEPTH];
      initial if (FILE != "") $readmemh(FILE, mem);
      always @(posedge clk)
        for (int i = 0; i < LANES; i++) if (write[i]) mem[place][8*i+:8] <= token[7:0];
      always_ff @(posedge clk) if (en && !writes) read <= mem[place];
    end else begin : g_auto
      logic [BITS-1:0] mem[DEPTH];
      initial if (FILE != "") $readmemh(FILE, mem);
      always @(posedge clk)
        for (int i = 0; i < LANES; i++) if (write[i]) mem[place][8*i+:8] <= token[7:0];
      always_ff @(posedge clk) if (en && !writes) read <= mem[place];
    end
  endgenerate
endmodule
