// Tells every EVERY-th step from the FIRST on (counted from 0); a step with `restart` starts over behind it.
module etb_wait #(
    parameter int FIRST = 2,
    parameter int EVERY = 1
) (
    input  logic clk,
    input  logic rst,
    input  logic step,
    input  logic restart,
    output logic now
);
  localparam int MOST = FIRST > EVERY - 1 ? FIRST : EVERY - 1;
  localparam int BITS = MOST > 0 ? $clog2(MOST + 1) : 1;
  logic [BITS-1:0] left;
  assign now = left == '0;
  always_ff @(posedge clk)
    if (rst) left <= BITS'(FIRST);
    else if (step) left <= restart ? BITS'(FIRST) : now ? BITS'(EVERY - 1) : left - 1'b1;
endmodule
