// What the small modules compute, written as plainly as possible: the other side of the proofs in
// test_equivalence.py.
module spec_popcount18 (
    input  logic [17:0] x,
    input  logic [17:0] w,
    output logic [ 4:0] count
);
  always_comb begin
    count = 0;
    for (int i = 0; i < 18; i++) if (x[i] == w[i]) count = count + 1;
  end
endmodule

module spec_compare #(
    parameter int BITS     = 8,
    parameter bit SIGNED   = 1,
    parameter int STEPS    = 1,
    parameter int OUT_BITS = 1,
    parameter int OUT_BIAS = 0
) (
    input  logic [BITS-1:0]       x,
    input  logic [STEPS*BITS-1:0] t,
    output logic [OUT_BITS-1:0]   y
);
  logic signed [BITS:0] value, threshold;
  int reached;
  always_comb begin
    value   = {SIGNED & x[BITS-1], x};
    reached = OUT_BIAS;
    for (int i = 0; i < STEPS; i++) begin
      threshold = {SIGNED & t[(i+1)*BITS-1], t[i*BITS+:BITS]};
      if (value >= threshold) reached = reached + 1;
    end
    y = reached[OUT_BITS-1:0];
  end
endmodule

// The sum of products at once, and then as many registers as the tree has.
module spec_dot #(
    parameter int N        = 18,
    parameter int MODE     = 0,
    parameter int XB       = 1,
    parameter bit X_SIGNED = 0,
    parameter int WB       = 1,
    parameter int YB       = 5,
    parameter int LATENCY  = 1
) (
    input  logic            clk,
    input  logic            en,
    input  logic [N*XB-1:0] x,
    input  logic [N*WB-1:0] w,
    output logic [YB-1:0]   y
);
  logic signed [XB:0] value;
  logic signed [WB:0] weight;
  logic signed [31:0] sum;
  always_comb begin
    sum = 0;
    for (int i = 0; i < N; i++) begin
      value  = {X_SIGNED & x[(i+1)*XB-1], x[i*XB+:XB]};
      weight = {w[(i+1)*WB-1], w[i*WB+:WB]};
      if (MODE == 0) sum = sum + 32'(x[i] == w[i]);
      else if (MODE == 1) sum = sum + (w[i] ? 32'(value) : 0);
      else sum = sum + 32'(value) * 32'(weight);
    end
  end
  logic [YB-1:0] later[LATENCY];
  always_ff @(posedge clk) if (en) later[0] <= sum[YB-1:0];
  for (genvar i = 1; i < LATENCY; i++) begin : g_later
    always_ff @(posedge clk) if (en) later[i] <= later[i-1];
  end
  assign y = later[LATENCY-1];
endmodule

module spec_choose #(
    parameter int WIDTH = 8,
    parameter int COUNT = 4
) (
    input  logic [$clog2(COUNT)-1:0] place,
    input  logic [COUNT*WIDTH-1:0] words,
    output logic [WIDTH-1:0] y
);
  logic [31:0] bits;
  assign bits = 32'(place) * WIDTH;
  assign y = WIDTH'(words >> bits);  // 0 where there is no such word
endmodule
