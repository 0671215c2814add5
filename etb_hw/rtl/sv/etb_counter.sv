// Counts steps modulo N; `clear` makes the next step restart at zero. N = 1 is constant.
// EARLY = 1: `last` comes from a register, so that what waits for it is not delayed by a comparison.
module etb_counter #(
    parameter int N     = 4,
    parameter bit EARLY = 0
) (
    input  logic clk,
    input  logic rst,
    input  logic step,
    input  logic clear,
    output logic zero,
    output logic last
);
  generate
    if (N == 1) begin : g_constant
      assign zero = 1'b1;
      assign last = 1'b1;
      logic unused;
      assign unused = &{1'b0, clk, rst, step, clear};
    end else begin : g_count
      localparam int B = $clog2(N);
      logic [B-1:0] count;
      assign zero = count == '0;
      if (EARLY && N > 2) begin : g_early
        always_ff @(posedge clk)
          if (rst) last <= 1'b0;
          else if (step) last <= ~clear & (count == B'(N - 2));
      end else begin : g_compared
        assign last = count == B'(N - 1);
      end
      always_ff @(posedge clk)
        if (rst) count <= '0;
        else if (step) count <= last | clear ? '0 : count + 1'b1;
    end
  endgenerate
endmodule
