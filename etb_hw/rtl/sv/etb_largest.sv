// The largest of N values and its index; the first of equals wins. A tree of comparators, combinational.
module etb_largest #(
    parameter int N      = 10,
    parameter int BITS   = 8,
    parameter bit SIGNED = 1,
    parameter int IB     = N > 1 ? $clog2(N) : 1
) (
    input  logic [N*BITS-1:0] x,
    output logic [BITS-1:0]   best,
    output logic [IB-1:0]     index
);
  generate
    if (N == 1) begin : g_single
      assign best  = x;
      assign index = '0;
    end else begin : g_two
      // the lower part is a power of two, so that the choice is the index's highest bit
      localparam int NL = 1 << (IB - 1);
      localparam int NH = N - NL;
      localparam int LB = NL > 1 ? $clog2(NL) : 1;
      localparam int HB = NH > 1 ? $clog2(NH) : 1;
      logic [BITS-1:0] low, high;
      logic [LB-1:0] low_index;
      logic [HB-1:0] high_index;
      logic larger;
      etb_largest #(
          .N(NL), .BITS(BITS), .SIGNED(SIGNED)
      ) u_low (
          .x(x[NL*BITS-1:0]), .best(low), .index(low_index)
      );
      etb_largest #(
          .N(NH), .BITS(BITS), .SIGNED(SIGNED)
      ) u_high (
          .x(x[N*BITS-1:NL*BITS]), .best(high), .index(high_index)
      );
      assign larger = SIGNED ? $signed(high) > $signed(low) : high > low;
      assign best   = larger ? high : low;
      if (N == 2) begin : g_pair
        assign index = larger;
        logic unused;
        assign unused = &{1'b0, low_index, high_index};
      end else begin : g_index
        assign index = {larger, larger ? LB'(high_index) : low_index};
      end
    end
  endgenerate
endmodule
