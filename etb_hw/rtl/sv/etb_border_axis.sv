// One axis of etb_border: tap k of window o lies at o * S + k * D; the image begins at BEFORE.
module etb_border_axis #(
    parameter int K      = 3,
    parameter int S      = 1,
    parameter int D      = 1,
    parameter int O      = 4,
    parameter int BEFORE = 1,
    parameter int SIZE   = 4
) (
    input  logic clk,
    input  logic rst,
    input  logic tap,
    input  logic window,
    output logic last_tap,
    output logic last_window,
    output logic border
);
  localparam int REACH = (O - 1) * S + (K - 1) * D;
  localparam int B = REACH > 0 ? $clog2(REACH + 1) : 1;
  logic [B-1:0] at, start, after;
  logic unused_k;
  etb_counter #(.N(K)) u_tap (
      .clk(clk), .rst(rst), .step(tap), .clear(1'b0), .zero(unused_k), .last(last_tap)
  );
  assign last_window = start == B'((O - 1) * S);
  assign after = last_window ? '0 : start + B'(S);
  always_ff @(posedge clk)
    if (rst) begin
      at    <= '0;
      start <= '0;
    end else begin
      if (window) start <= after;
      if (tap) at <= window ? after : last_tap ? start : at + B'(D);
    end
  localparam int END = BEFORE + SIZE;
  logic below, above, unused;
  if (BEFORE > 0) begin : g_before
    assign below = at < B'(BEFORE);
  end else begin : g_none_before
    assign below = 1'b0;
  end
  if (END <= REACH) begin : g_behind
    assign above = at >= B'(END);
  end else begin : g_none_behind
    assign above = 1'b0;
  end
  assign border = below | above;
  assign unused = unused_k;
endmodule
