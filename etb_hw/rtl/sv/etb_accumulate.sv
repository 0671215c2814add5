// Running sum of the valid inputs; the `fresh` one starts from `bias`. Sums wrap at AB bits.
// SINGLE: every input is a fresh one. Latency: one cycle; the sum stands until the next valid input.
module etb_accumulate #(
    parameter int YB       = 4,
    parameter bit Y_SIGNED = 0,
    parameter int AB       = 8,
    parameter bit SINGLE   = 0
) (
    input  logic          clk,
    input  logic          step,
    input  logic          fresh,
    input  logic [YB-1:0] y,
    input  logic [AB-1:0] bias,
    output logic [AB-1:0] sum
);
  logic [AB-1:0] wide, start;
  generate
    if (AB > YB) begin : g_extend
      assign wide = {{(AB - YB) {Y_SIGNED ? y[YB-1] : 1'b0}}, y};
    end else begin : g_wrap
      assign wide = y[AB-1:0];
      if (YB > AB) begin : g_unused
        logic unused;
        assign unused = &{1'b0, y[YB-1:AB]};
      end
    end
    if (SINGLE) begin : g_single
      assign start = bias;
      logic unused;
      assign unused = fresh;
    end else begin : g_many
      assign start = fresh ? bias : sum;
    end
  endgenerate
  // in this order the choice of the start fits the LUT before the carry chain
  always_ff @(posedge clk) if (step) sum <= wide + start;
endmodule
