// Five nested loops of N0 (innermost) to N4 steps, over and over. `turn` says which loop goes on with the next
// step, those within it starting again: 0 to 4, or 5 where all of them start again. It comes from a register, so
// that what depends on it waits for nothing else.
module etb_loops #(
    parameter int N0 = 2,
    parameter int N1 = 3,
    parameter int N2 = 1,
    parameter int N3 = 4,
    parameter int N4 = 2
) (
    input  logic       clk,
    input  logic       rst,
    input  logic       step,
    (* fsm_encoding = "none" *) output logic [2:0] turn
);
  localparam logic [4:0] ONCE = {N4 == 1, N3 == 1, N2 == 1, N1 == 1, N0 == 1};
  // whether all loops within are at their last step; whether it is itself, at the one before, and after this step
  logic [4:0] moves, last, near, then_last;

  // the first loop that is not at its last step
  function automatic logic [2:0] first(input logic [4:0] at_last);
    first = ~at_last[0] ? 3'd0 : ~at_last[1] ? 3'd1 : ~at_last[2] ? 3'd2 :
        ~at_last[3] ? 3'd3 : ~at_last[4] ? 3'd4 : 3'd5;
  endfunction

  assign moves     = {turn >= 3'd4, turn >= 3'd3, turn >= 3'd2, turn >= 3'd1, 1'b1};
  assign then_last = (moves & near) | (~moves & last);
  for (genvar k = 0; k < 5; k++) begin : g_loop
    localparam int N = k == 0 ? N0 : k == 1 ? N1 : k == 2 ? N2 : k == 3 ? N3 : N4;
    if (N == 1) begin : g_once
      assign last[k] = 1'b1;
      assign near[k] = 1'b1;
    end else begin : g_count
      logic is_last;  // a variable of its own: some simulators allow one driver of a vector, not one of each bit
      assign last[k] = is_last;
      always_ff @(posedge clk)
        if (rst) is_last <= 1'b0;
        else if (step & moves[k]) is_last <= near[k];
      if (N == 2) begin : g_two
        assign near[k] = ~is_last;
      end else begin : g_more
        localparam int B = $clog2(N);
        logic [B-1:0] count;
        logic is_near;
        assign near[k] = is_near;
        always_ff @(posedge clk)
          if (rst) begin
            count   <= '0;
            is_near <= 1'b0;
          end else if (step & moves[k]) begin
            count   <= is_last ? '0 : count + 1'b1;
            is_near <= count == B'(N - 3);
          end
      end
    end
  end

  always_ff @(posedge clk)
    if (rst) turn <= first(ONCE);
    else if (step) turn <= first(then_last);
endmodule
