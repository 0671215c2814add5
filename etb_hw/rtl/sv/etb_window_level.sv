// How full the buffer of a sliding window is: whether there is a beat to read, and room for another.
//
// `there` is how many beats from the one that is read next on have arrived, less one: it is negative while that
// is yet to come. A read changes it by `taken`, or with a beat that is written in that cycle by `taken_one`;
// `done` says that the read ends a window, and gives back `freed` beats.
// For a faster clock than with two sums: `read` and `done` wait for a neighbour's ready, which comes late. They
// choose between sums, and are added to nothing.
module etb_window_level #(
    parameter int DEPTH = 30,
    parameter int BITS  = 7
) (
    input  logic            clk,
    input  logic            rst,
    input  logic            write,
    input  logic            read,
    input  logic            done,
    input  logic [BITS-1:0] taken,
    input  logic [BITS-1:0] taken_one,
    input  logic [BITS-2:0] freed,
    output logic            may_write,
    output logic            may_read
);
  logic [BITS-1:0] there;
  // beats that have come, and what their number is when one more fits; both go around
  logic [BITS-2:0] written, bound;
  logic full;
  assign may_read  = ~there[BITS-1];
  assign may_write = ~full;
  always_ff @(posedge clk)
    if (rst) begin
      there   <= '1;
      written <= '0;
      bound   <= (BITS - 1)'(DEPTH - 1);
      full    <= 1'b0;
    end else begin
      there <= read ? there + (write ? taken_one : taken) : there + BITS'(write);
      if (write) written <= written + 1'b1;
      if (done) bound <= bound + freed;
      full <= ~done & (full | (write & written == bound));
    end
endmodule
