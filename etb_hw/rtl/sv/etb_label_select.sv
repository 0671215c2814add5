// Index of the largest of LABELS values, PE a beat; the first of equals wins. One beat is taken a cycle.
module etb_label_select #(
    parameter int LABELS   = 10,
    parameter int PE       = 1,
    parameter int BITS     = 8,
    parameter bit SIGNED   = 1,
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
  logic en, step, first, last, larger;
  logic [OUT_BITS-1:0] start, index;
  logic [BITS-1:0] top, best;
  logic [WB-1:0] winner;
  assign en       = ~out_valid | out_ready;
  assign in_ready = en;
  assign step     = en & in_valid;
  etb_counter #(.N(LABELS / PE)) u_fold (
      .clk(clk), .rst(rst), .step(step), .clear(1'b0), .zero(first), .last(last)
  );

  etb_largest #(
      .N(PE), .BITS(BITS), .SIGNED(SIGNED)
  ) u_largest (
      .x(in_data), .best(best), .index(winner)
  );
  assign larger = first || (SIGNED ? $signed(best) > $signed(top) : best > top);
  always_ff @(posedge clk)
    if (rst) begin
      start     <= '0;
      out_valid <= 1'b0;
    end else if (en) begin
      out_valid <= in_valid & last;
      if (in_valid) start <= last ? '0 : start + OUT_BITS'(PE);
    end
  always_ff @(posedge clk)
    if (step & larger) begin
      top   <= best;
      index <= start + OUT_BITS'(winner);
    end
  assign out_data = index;
endmodule
