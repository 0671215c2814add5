// Index of the largest of LABELS values, PE a beat; the first of equals wins. One beat is taken a cycle.
// REGISTER = 1, for a faster clock: a register behind each level of the tree that compares a beat.
// Latency: 1 cycle from the last beat, and one for each of those registers.
module etb_label_select #(
    parameter int LABELS   = 10,
    parameter int PE       = 1,
    parameter int BITS     = 8,
    parameter bit SIGNED   = 1,
    parameter bit REGISTER = 0,
    parameter int OUT_BITS = 8
) (
    input  logic                clk,
    input  logic                rst,
    input  logic [PE*BITS-1:0]  in_data,
    input  logic                in_valid,
    output logic                in_ready,
    output logic [OUT_BITS-1:0] out_data,
    output logic                out_valid,
    input  logic                out_ready
);
  localparam int WB = PE > 1 ? $clog2(PE) : 1;
  localparam int LEVELS = REGISTER ? $clog2(PE) : 0;
  logic en, came, step, first, last, larger;
  logic [OUT_BITS-1:0] start, index;
  logic [BITS-1:0] top, best;
  logic [WB-1:0] winner;
  assign en       = ~out_valid | out_ready;
  assign in_ready = en;
  assign step     = en & came;  // a beat's largest value is there
  etb_counter #(.N(LABELS / PE)) u_fold (
      .clk(clk), .rst(rst), .step(step), .clear(1'b0), .zero(first), .last(last)
  );

  etb_largest #(
      .N(PE), .BITS(BITS), .SIGNED(SIGNED), .LEVELS(LEVELS)
  ) u_largest (
      .clk(clk), .en(en), .x(in_data), .best(best), .index(winner)
  );
  if (LEVELS > 0) begin : g_later
    logic [LEVELS-1:0] valid_q;
    always_ff @(posedge clk)
      if (rst) valid_q <= '0;
      else if (en) valid_q <= LEVELS'({valid_q, in_valid});
    assign came = valid_q[LEVELS-1];
  end else begin : g_now
    assign came = in_valid;
  end
  assign larger = first || (SIGNED ? $signed(best) > $signed(top) : best > top);
  always_ff @(posedge clk)
    if (rst) begin
      start     <= '0;
      out_valid <= 1'b0;
    end else if (en) begin
      out_valid <= came & last;
      if (came) start <= last ? '0 : start + OUT_BITS'(PE);
    end
  always_ff @(posedge clk)
    if (step & larger) begin
      top   <= best;
      index <= start + OUT_BITS'(winner);
    end
  assign out_data = index;
endmodule
