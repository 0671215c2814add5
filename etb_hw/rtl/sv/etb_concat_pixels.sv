// Joins the channels of two streams, whole pixels, M of them a beat: (M, A) and (M, B) to (M, A + B) values,
// widened to OUT_BITS bits (bits stay bits). A beat is taken when both are there. Latency: 1 cycle.
module etb_concat_pixels #(
    parameter int M         = 1,
    parameter int A         = 2,
    parameter int B         = 2,
    parameter int A_BITS    = 1,
    parameter bit A_SIGNED  = 0,
    parameter int B_BITS    = 1,
    parameter bit B_SIGNED  = 0,
    parameter int OUT_BITS  = 1
) (
    input  logic                        clk,
    input  logic                        rst,
    input  logic [      M*A*A_BITS-1:0] in0_data,
    input  logic                        in0_valid,
    output logic                        in0_ready,
    input  logic [      M*B*B_BITS-1:0] in1_data,
    input  logic                        in1_valid,
    output logic                        in1_ready,
    output logic [M*(A+B)*OUT_BITS-1:0] out_data,
    output logic                        out_valid,
    input  logic                        out_ready
);
  logic en, both;
  logic [M*(A+B)*OUT_BITS-1:0] joined;
  assign en        = ~out_valid | out_ready;
  assign both      = in0_valid & in1_valid;
  assign in0_ready = en & in1_valid;
  assign in1_ready = en & in0_valid;
  for (genvar m = 0; m < M; m++) begin : g_pixel
    for (genvar i = 0; i < A; i++) begin : g_first
      etb_extend #(
          .IN_BITS(A_BITS), .SIGNED(A_SIGNED), .OUT_BITS(OUT_BITS)
      ) u (
          .x(in0_data[(m*A+i)*A_BITS+:A_BITS]), .y(joined[(m*(A+B)+i)*OUT_BITS+:OUT_BITS])
      );
    end
    for (genvar i = 0; i < B; i++) begin : g_second
      etb_extend #(
          .IN_BITS(B_BITS), .SIGNED(B_SIGNED), .OUT_BITS(OUT_BITS)
      ) u (
          .x(in1_data[(m*B+i)*B_BITS+:B_BITS]), .y(joined[(m*(A+B)+A+i)*OUT_BITS+:OUT_BITS])
      );
    end
  end
  always_ff @(posedge clk)
    if (rst) out_valid <= 1'b0;
    else if (en) out_valid <= both;
  always_ff @(posedge clk) if (en) out_data <= joined;
endmodule
