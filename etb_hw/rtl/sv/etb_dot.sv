// Dot product of N inputs with N weights as a tree with a register after every level.
//
// MODE 0: bipolar x bipolar. y = how many pairs agree (the product is 2y - N).
// MODE 1: bipolar weights, integer inputs. y = sum of the inputs whose weight is +1.
// MODE 2: signed weights, signed inputs. y = the signed sum of the products.
// Registers keep synthesis from merging the adders into one big compressor, which takes twice the LUTs.
// SPLIT = 1 (MODE 0): another register within the leaves, between counting triples and adding the two counts.
// Latency: 1 + SPLIT + LEVELS cycles. N may be smaller than what LEVELS could hold.
module etb_dot #(
    parameter int N        = 18,
    parameter int MODE     = 0,
    parameter int XB       = 1,
    parameter bit X_SIGNED = 0,
    parameter int WB       = 1,
    parameter bit SPLIT    = 0,
    parameter int LEAF     = MODE == 0 ? 18 : MODE == 1 ? 2 : 1,
    parameter int LEVELS   = $clog2((N + LEAF - 1) / LEAF),
    parameter int YB       = MODE == 0 ? $clog2(N + 1) : (MODE == 1 ? XB : XB + WB) + $clog2(N)
) (
    input  logic            clk,
    input  logic            en,
    input  logic [N*XB-1:0] x,
    input  logic [N*WB-1:0] w,
    output logic [YB-1:0]   y
);
  localparam int G = (N + LEAF - 1) / LEAF;
  localparam int NL = (G + 1) / 2 * LEAF;
  localparam int NR = N - NL;
  localparam bit Y_SIGNED = MODE == 2 || (MODE == 1 && X_SIGNED);

  generate
    if (LEVELS == 0 && MODE == 0) begin : g_agree
`ifdef ETB_FAST_POPCOUNT
      // the same function, written for the simulator's own population count
      logic [YB-1:0] count;
      assign count = YB'($countones(x ~^ w));
      if (SPLIT) begin : g_split_leaf
        logic [YB-1:0] early;
        always_ff @(posedge clk)
          if (en) begin
            early <= count;
            y     <= early;
          end
      end else begin : g_whole_leaf
        always_ff @(posedge clk) if (en) y <= count;
      end
`else
      logic [2:0] low, high;
      logic [4:0] count;
      etb_popcount18 u (
          .x    ({{(18 - N) {1'b0}}, x}),
          .w    ({{(18 - N) {1'b1}}, w}),
          .low  (low),
          .high (high),
          .count(count)
      );
      if (SPLIT) begin : g_split_leaf
        logic [2:0] kept_low, kept_high;
        always_ff @(posedge clk)
          if (en) begin
            kept_low  <= low;
            kept_high <= high;
            y         <= YB'({2'b0, kept_low} + {1'b0, kept_high, 1'b0});
          end
      end else begin : g_whole_leaf
        always_ff @(posedge clk) if (en) y <= count[YB-1:0];
      end
      logic unused;
      assign unused = &{1'b0, low, high, count};
`endif
    end else if (LEVELS == 0 && MODE == 1) begin : g_select
      // one or two inputs; both terms of the sum fit the LUT before the carry chain
      logic [YB-1:0] a, b;
      assign a = {{(YB - XB) {X_SIGNED ? x[XB-1] : 1'b0}}, x[XB-1:0]} & {YB{w[0]}};
      if (N == 2) begin : g_second
        assign b = {{(YB - XB) {X_SIGNED ? x[2*XB-1] : 1'b0}}, x[2*XB-1:XB]} & {YB{w[1]}};
      end else begin : g_single
        assign b = '0;
      end
      always_ff @(posedge clk) if (en) y <= a + b;
    end else if (LEVELS == 0 && WB == 2 && XB > 6) begin : g_add
      // -2, -1, 0 or 1 times a wide input: one LUT a bit in front of a carry chain, where a product takes a DSP block
      logic [YB-1:0] a;
      assign a = {{(YB - XB) {x[XB-1]}}, x[XB-1:0]};
      always_ff @(posedge clk) if (en) y <= (a & {YB{w[0]}}) - ({a[YB-2:0], 1'b0} & {YB{w[1]}});
    end else if (LEVELS == 0) begin : g_multiply
      logic signed [XB-1:0] a;
      logic signed [WB-1:0] b;
      assign a = x;
      assign b = w;
      always_ff @(posedge clk) if (en) y <= YB'(a * b);
    end else if (G == 1) begin : g_delay
      logic [YB-1:0] d;
      etb_dot #(
          .N(N), .MODE(MODE), .XB(XB), .X_SIGNED(X_SIGNED), .WB(WB), .SPLIT(SPLIT), .LEVELS(LEVELS - 1)
      ) u (
          .clk(clk), .en(en), .x(x), .w(w), .y(d)
      );
      always_ff @(posedge clk) if (en) y <= d;
    end else begin : g_split
      localparam int AB = MODE == 0 ? $clog2(NL + 1) : (MODE == 1 ? XB : XB + WB) + $clog2(NL);
      localparam int BB = MODE == 0 ? $clog2(NR + 1) : (MODE == 1 ? XB : XB + WB) + $clog2(NR);
      logic [AB-1:0] a;
      logic [BB-1:0] b;
      etb_dot #(
          .N(NL), .MODE(MODE), .XB(XB), .X_SIGNED(X_SIGNED), .WB(WB), .SPLIT(SPLIT), .LEVELS(LEVELS - 1)
      ) u_low (
          .clk(clk), .en(en), .x(x[NL*XB-1:0]), .w(w[NL*WB-1:0]), .y(a)
      );
      etb_dot #(
          .N(NR), .MODE(MODE), .XB(XB), .X_SIGNED(X_SIGNED), .WB(WB), .SPLIT(SPLIT), .LEVELS(LEVELS - 1)
      ) u_high (
          .clk(clk), .en(en), .x(x[N*XB-1:NL*XB]), .w(w[N*WB-1:NL*WB]), .y(b)
      );
      always_ff @(posedge clk)
        if (en)
          y <= {{(YB - AB) {Y_SIGNED ? a[AB-1] : 1'b0}}, a} + {{(YB - BB) {Y_SIGNED ? b[BB-1] : 1'b0}}, b};
    end
  endgenerate
endmodule
