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
  logic en, step, first, last;
  logic [OUT_BITS-1:0] start, index, winner;
  logic [BITS-1:0] top, best;
  assign en       = ~out_valid | out_ready;
  assign in_ready = en;
  assign step     = en & in_valid;
  etb_counter #(.N(LABELS / PE)) u_fold (
      .clk(clk), .rst(rst), .step(step), .clear(1'b0), .zero(first), .last(last)
  );

  always_comb begin
    best   = top;
    winner = index;
    for (int p = 0; p < PE; p++) begin
      if ((p == 0 && first) ||
          (SIGNED ? $signed(in_data[p*BITS+:BITS]) > $signed(best) : in_data[p*BITS+:BITS] > best)) begin
        best   = in_data[p*BITS+:BITS];
        winner = start + OUT_BITS'(p);
      end
    end
  end
  always_ff @(posedge clk)
    if (rst) begin
      start     <= '0;
      out_valid <= 1'b0;
    end else if (en) begin
      out_valid <= in_valid & last;
      if (in_valid) start <= last ? '0 : start + OUT_BITS'(PE);
    end
  always_ff @(posedge clk)
    if (step) begin
      top   <= best;
      index <= winner;
    end
  assign out_data = index;
endmodule
