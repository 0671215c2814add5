// One axis of etb_border_kind: the number of the window that it has come to, of N that are constants.
module etb_border_kind_axis #(
    parameter int N    = 4,
    parameter int BITS = 4
) (
    input  logic              clk,
    input  logic              rst,
    input  logic              step,
    input  logic [N*BITS-1:0] numbers,
    output logic [  BITS-1:0] kind,
    output logic              last
);
  localparam int B = N > 1 ? $clog2(N) : 1;
  logic [B-1:0] at;
  assign last = at == B'(N - 1);
  always_ff @(posedge clk)
    if (rst) at <= '0;
    else if (step) at <= last ? '0 : at + 1'b1;

  // a table a bit: synthesis makes a function of `at` of each
  for (genvar j = 0; j < BITS; j++) begin : g_bit
    logic [N-1:0] bits;
    for (genvar i = 0; i < N; i++) begin : g_window
      assign bits[i] = numbers[i*BITS+j];
    end
    assign kind[j] = bits[at];
  end
endmodule
