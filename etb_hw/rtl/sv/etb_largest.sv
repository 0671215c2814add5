// The largest of N values and its index; the first of equals wins. A tree of comparators.
//
// LEVELS = 0: combinational, clk and en are not used. LEVELS = $clog2(N) or more: a register behind each level,
// LEVELS cycles in all, of which none passes while en is low.
module etb_largest #(
    parameter int N      = 10,
    parameter int BITS   = 8,
    parameter bit SIGNED = 1,
    parameter int LEVELS = 0,
    parameter int IB     = N > 1 ? $clog2(N) : 1
) (
    input  logic              clk,
    input  logic              en,
    input  logic [N*BITS-1:0] x,
    output logic [BITS-1:0]   best,
    output logic [IB-1:0]     index
);
  localparam int BELOW = LEVELS > 0 ? LEVELS - 1 : 0;
  logic [BITS-1:0] chosen;
  generate
    if (N == 1 && BELOW == 0) begin : g_single
      assign chosen = x;
      assign index  = '0;
    end else if (N == 1) begin : g_later
      logic none;
      etb_largest #(
          .N(1), .BITS(BITS), .SIGNED(SIGNED), .LEVELS(BELOW)
      ) u_below (
          .clk(clk), .en(en), .x(x), .best(chosen), .index(none)
      );
      assign index = none;
    end else begin : g_two
      // the lower part is a power of two, so that the choice is the index's highest bit
      localparam int NL = 1 << (IB - 1);
      localparam int NH = N - NL;
      localparam int LB = NL > 1 ? $clog2(NL) : 1;
      localparam int HB = NH > 1 ? $clog2(NH) : 1;
      logic [BITS-1:0] low, high;
      logic [LB-1:0] low_index;
      logic [HB-1:0] high_index;
      logic [IB-1:0] winner;
      logic larger;
      etb_largest #(
          .N(NL), .BITS(BITS), .SIGNED(SIGNED), .LEVELS(BELOW)
      ) u_low (
          .clk(clk), .en(en), .x(x[NL*BITS-1:0]), .best(low), .index(low_index)
      );
      etb_largest #(
          .N(NH), .BITS(BITS), .SIGNED(SIGNED), .LEVELS(BELOW)
      ) u_high (
          .clk(clk), .en(en), .x(x[N*BITS-1:NL*BITS]), .best(high), .index(high_index)
      );
      assign larger = SIGNED ? $signed(high) > $signed(low) : high > low;
      assign chosen = larger ? high : low;
      if (N == 2) begin : g_pair
        assign winner = larger;
        logic unused;
        assign unused = &{1'b0, low_index, high_index};
      end else begin : g_index
        assign winner = {larger, larger ? LB'(high_index) : low_index};
      end
      if (LEVELS > 0) begin : g_kept
        always_ff @(posedge clk) if (en) index <= winner;
      end else begin : g_now
        assign index = winner;
      end
    end
    if (LEVELS > 0) begin : g_register
      always_ff @(posedge clk) if (en) best <= chosen;
    end else begin : g_direct
      assign best = chosen;
      logic unused_clock;
      assign unused_clock = &{1'b0, clk, en};
    end
  endgenerate
endmodule
