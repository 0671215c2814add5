// Joins the channels of two streams: for every pixel A_BEATS beats of the first, then B_BEATS of the second,
// values widened to OUT_BITS bits (bits stay bits). Latency: 1 cycle.
module etb_concat #(
    parameter int SIMD      = 1,
    parameter int A_BEATS   = 2,
    parameter int B_BEATS   = 2,
    parameter int A_BITS    = 1,
    parameter bit A_SIGNED  = 0,
    parameter int B_BITS    = 1,
    parameter bit B_SIGNED  = 0,
    parameter int OUT_BITS  = 1
) (
    input  logic                     clk,
    input  logic                     rst,
    input  logic [SIMD*A_BITS-1:0]   in0_data,
    input  logic                     in0_valid,
    output logic                     in0_ready,
    input  logic [SIMD*B_BITS-1:0]   in1_data,
    input  logic                     in1_valid,
    output logic                     in1_ready,
    output logic [SIMD*OUT_BITS-1:0] out_data,
    output logic                     out_valid,
    input  logic                     out_ready
);
  localparam int BEATS = A_BEATS + B_BEATS;
  localparam int CB = $clog2(BEATS);

  logic en, second, taken;
  logic [CB-1:0] beat;
  logic [SIMD*OUT_BITS-1:0] a, b;
  assign en        = ~out_valid | out_ready;
  assign taken     = second ? in1_valid : in0_valid;
  assign in0_ready = en & ~second;
  assign in1_ready = en & second;

  for (genvar i = 0; i < SIMD; i++) begin : g_lane
    etb_extend #(
        .IN_BITS(A_BITS), .SIGNED(A_SIGNED), .OUT_BITS(OUT_BITS)
    ) u_a (
        .x(in0_data[i*A_BITS+:A_BITS]), .y(a[i*OUT_BITS+:OUT_BITS])
    );
    etb_extend #(
        .IN_BITS(B_BITS), .SIGNED(B_SIGNED), .OUT_BITS(OUT_BITS)
    ) u_b (
        .x(in1_data[i*B_BITS+:B_BITS]), .y(b[i*OUT_BITS+:OUT_BITS])
    );
  end

  always_ff @(posedge clk)
    if (rst) begin
      beat   <= '0;
      second <= 1'b0;
    end else if (en & taken) begin
      beat <= beat == CB'(BEATS - 1) ? '0 : beat + 1'b1;
      if (beat == CB'(A_BEATS - 1)) second <= 1'b1;
      else if (beat == CB'(BEATS - 1)) second <= 1'b0;
    end
  always_ff @(posedge clk)
    if (rst) out_valid <= 1'b0;
    else if (en) out_valid <= taken;
  always_ff @(posedge clk) if (en) out_data <= second ? b : a;
endmodule
