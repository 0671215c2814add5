// Sum over all PIXELS of an image: (PIXELS, C) in, (C) out, PE channels a beat. One beat is taken a cycle.
module etb_sum_pool #(
    parameter int PIXELS     = 16,
    parameter int C          = 4,
    parameter int PE         = 2,
    parameter int IN_BITS    = 1,
    parameter bit IN_SIGNED  = 0,
    parameter bit IN_BIPOLAR = 1,
    parameter int OUT_BITS   = 6
) (
    input  logic                   clk,
    input  logic                   rst,
    input  logic [PE*IN_BITS-1:0]  in_data,
    input  logic                   in_valid,
    output logic                   in_ready,
    output logic [PE*OUT_BITS-1:0] out_data,
    output logic                   out_valid,
    input  logic                   out_ready
);
  localparam int CF = C / PE;
  localparam int CB = CF > 1 ? $clog2(CF) : 1;
  logic en, step, end_c, first, last;
  logic [CB-1:0] c;
  assign en       = ~out_valid | out_ready;
  assign in_ready = en;
  assign step     = en & in_valid;
  assign end_c    = c == CB'(CF - 1);
  always_ff @(posedge clk)
    if (rst) c <= '0;
    else if (step) c <= end_c ? '0 : c + 1'b1;
  etb_counter #(.N(PIXELS)) u_pixel (
      .clk(clk), .rst(rst), .step(step & end_c), .clear(1'b0), .zero(first), .last(last)
  );

  (* ram_style = "distributed" *) logic [PE*OUT_BITS-1:0] partial[CF];
  logic [PE*OUT_BITS-1:0] old, sum;
  assign old = partial[c];
  for (genvar p = 0; p < PE; p++) begin : g_pe
    logic [OUT_BITS-1:0] a;
    etb_extend #(
        .IN_BITS(IN_BITS), .SIGNED(IN_SIGNED), .BIPOLAR(IN_BIPOLAR), .OUT_BITS(OUT_BITS)
    ) u_x (
        .x(in_data[p*IN_BITS+:IN_BITS]), .y(a)
    );
    assign sum[p*OUT_BITS+:OUT_BITS] = a + (first ? '0 : old[p*OUT_BITS+:OUT_BITS]);
  end
  always_ff @(posedge clk) if (step) partial[c] <= sum;
  always_ff @(posedge clk)
    if (rst) out_valid <= 1'b0;
    else if (en) out_valid <= in_valid & last;
  always_ff @(posedge clk) if (en) out_data <= sum;
endmodule
