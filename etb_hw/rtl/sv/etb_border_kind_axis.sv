// One axis of etb_border_kind: tap k of window o lies at o * S + k * D; the image begins at BEFORE. The number of a
// window comes SCALE times.
module etb_border_kind_axis #(
    parameter int K      = 3,
    parameter int S      = 1,
    parameter int D      = 1,
    parameter int O      = 4,
    parameter int BEFORE = 1,
    parameter int SIZE   = 4,
    parameter int M      = 1,
    parameter int PHASE  = 0,
    parameter int SCALE  = 1,
    parameter int BITS   = 4
) (
    input  logic            clk,
    input  logic            rst,
    input  logic            step,
    output logic [BITS-1:0] kind,
    output logic            last
);
  function automatic int passed(input int window);
    passed = 0;
    for (int k = 0; k < K; k++) begin
      if (window * S + k * D >= BEFORE) passed = passed + 1;
      if (window * S + k * D >= BEFORE + SIZE) passed = passed + 1;
    end
  endfunction

  localparam int N = O / M;
  localparam int B = N > 1 ? $clog2(N) : 1;
  logic [B-1:0] at;
  assign last = at == B'(N - 1);
  always_ff @(posedge clk)
    if (rst) at <= '0;
    else if (step) at <= last ? '0 : at + 1'b1;

  // a table a bit: synthesis makes a function of `at` of each
  logic [N*BITS-1:0] numbers;
  for (genvar i = 0; i < N; i++) begin : g_window
    assign numbers[i*BITS+:BITS] = BITS'(SCALE * (passed(i * M + PHASE) - passed(0)));
  end
  for (genvar j = 0; j < BITS; j++) begin : g_bit
    logic [N-1:0] bits;
    for (genvar i = 0; i < N; i++) begin : g_window
      assign bits[i] = numbers[i*BITS+j];
    end
    assign kind[j] = bits[at];
  end
endmodule
