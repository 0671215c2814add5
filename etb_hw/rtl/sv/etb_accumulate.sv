// Sums the valid inputs up to and with the `last` one, then starts again from zero. Sums wrap at AB bits.
// SINGLE: every input is a last one, so nothing is summed. Latency: one cycle.
module etb_accumulate #(
    parameter int YB       = 4,
    parameter bit Y_SIGNED = 0,
    parameter int AB       = 8,
    parameter bit SINGLE   = 0
) (
    input  logic          clk,
    input  logic          rst,
    input  logic          en,
    input  logic          valid,
    input  logic          last,
    input  logic [YB-1:0] y,
    output logic [AB-1:0] total
);
  logic [AB-1:0] wide;
  generate
    if (AB > YB) begin : g_extend
      assign wide = {{(AB - YB) {Y_SIGNED & y[YB-1]}}, y};
    end else begin : g_wrap
      assign wide = y[AB-1:0];
      if (YB > AB) begin : g_unused
        logic unused;
        assign unused = &{1'b0, y[YB-1:AB]};
      end
    end
    if (SINGLE) begin : g_single
      always_ff @(posedge clk) if (en) total <= wide;
      logic unused;
      assign unused = &{1'b0, rst, valid, last};
    end else begin : g_many
      logic [AB-1:0] acc, next;
      assign next = acc + wide;
      always_ff @(posedge clk)
        if (rst) acc <= '0;
        else if (en & valid) acc <= last ? '0 : next;
      always_ff @(posedge clk) if (en) total <= next;
    end
  endgenerate
endmodule
