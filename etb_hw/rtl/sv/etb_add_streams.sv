// Sum of two streams, PE channels a beat; a beat is taken when both are there. Latency: 1 cycle.
module etb_add_streams #(
    parameter int PE        = 1,
    parameter int A_BITS    = 8,
    parameter bit A_SIGNED  = 1,
    parameter bit A_BIPOLAR = 0,
    parameter int B_BITS    = 8,
    parameter bit B_SIGNED  = 1,
    parameter bit B_BIPOLAR = 0,
    parameter int OUT_BITS  = 9
) (
    input  logic                   clk,
    input  logic                   rst,
    input  logic [PE*A_BITS-1:0]   in0_data,
    input  logic                   in0_valid,
    output logic                   in0_ready,
    input  logic [PE*B_BITS-1:0]   in1_data,
    input  logic                   in1_valid,
    output logic                   in1_ready,
    output logic [PE*OUT_BITS-1:0] out_data,
    output logic                   out_valid,
    input  logic                   out_ready
);
  logic en, both;
  logic [PE*OUT_BITS-1:0] sum;
  assign en        = ~out_valid | out_ready;
  assign both      = in0_valid & in1_valid;
  assign in0_ready = en & in1_valid;
  assign in1_ready = en & in0_valid;
  for (genvar p = 0; p < PE; p++) begin : g_pe
    logic [OUT_BITS-1:0] a, b;
    etb_extend #(
        .IN_BITS(A_BITS), .SIGNED(A_SIGNED), .BIPOLAR(A_BIPOLAR), .OUT_BITS(OUT_BITS)
    ) u_a (
        .x(in0_data[p*A_BITS+:A_BITS]), .y(a)
    );
    etb_extend #(
        .IN_BITS(B_BITS), .SIGNED(B_SIGNED), .BIPOLAR(B_BIPOLAR), .OUT_BITS(OUT_BITS)
    ) u_b (
        .x(in1_data[p*B_BITS+:B_BITS]), .y(b)
    );
    assign sum[p*OUT_BITS+:OUT_BITS] = a + b;
  end
  always_ff @(posedge clk)
    if (rst) out_valid <= 1'b0;
    else if (en) out_valid <= both;
  always_ff @(posedge clk) if (en) out_data <= sum;
endmodule
