// Counts steps modulo N; `clear` makes the next step restart at zero. N = 1 is constant.
module etb_counter #(
    parameter int N = 4
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
      assign last = count == B'(N - 1);
      always_ff @(posedge clk)
        if (rst) count <= '0;
        else if (step) count <= last | clear ? '0 : count + 1'b1;
    end
  endgenerate
endmodule
