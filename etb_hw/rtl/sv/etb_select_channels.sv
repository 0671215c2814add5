// Picks K of the C channels of every pixel, M pixels a beat: the i-th is channel CHOSEN[16*i+:16]. Wires only.
module etb_select_channels #(
    parameter int M    = 1,
    parameter int C    = 2,
    parameter int K    = 1,
    parameter int BITS = 1,
    parameter logic [16*K-1:0] CHOSEN = '0
) (
    input  logic                clk,
    input  logic                rst,
    input  logic [M*C*BITS-1:0] in_data,
    input  logic                in_valid,
    output logic                in_ready,
    output logic [M*K*BITS-1:0] out_data,
    output logic                out_valid,
    input  logic                out_ready
);
  for (genvar m = 0; m < M; m++) begin : g_pixel
    for (genvar i = 0; i < K; i++) begin : g_channel
      localparam logic [15:0] PLACE = CHOSEN[16*i+:16];
      localparam int FROM = m * C + int'(PLACE);
      assign out_data[(m*K+i)*BITS+:BITS] = in_data[FROM*BITS+:BITS];
    end
  end
  assign out_valid = in_valid;
  assign in_ready  = out_ready;
  logic unused;
  assign unused = &{1'b0, clk, rst, in_data};
endmodule
