// M unrolled matrix-vector-activation units side by side, one for each of M neighbouring pixels of a beat.
//
// PE = MH and SIMD = MW: weights and thresholds are constants that all units share. The units see the same
// handshake and take a beat a cycle, so they move in lockstep, and the first one speaks for all. Parameters and
// latency: see etb_mvau; with BORDER = 2 each unit has the border of every M-th window of a row.
module etb_mvau_pixels #(
    parameter int M          = 2,
    parameter int MW         = 18,
    parameter int MH         = 4,
    parameter int PE         = MH,
    parameter int SIMD       = MW,
    parameter int IN_BITS    = 1,
    parameter bit IN_SIGNED  = 0,
    parameter bit IN_BIPOLAR = 1,
    parameter int W_BITS     = 1,
    parameter bit W_SIGNED   = 0,
    parameter bit W_BIPOLAR  = 1,
    parameter int ACC_BITS   = 6,
    parameter bit ACC_SIGNED = 0,
    parameter int STEPS      = 1,
    parameter int OUT_BITS   = 1,
    parameter int OUT_BIAS   = 0,
    parameter int RAM_STYLE  = 0,
    parameter bit REGISTER   = 0,
    parameter int BORDER     = 0,
    parameter int KINDS      = 1,
    parameter int KH         = 1,
    parameter int KW         = 1,
    parameter int SH         = 1,
    parameter int SW         = 1,
    parameter int DH         = 1,
    parameter int DW         = 1,
    parameter int OH         = 1,
    parameter int OW         = 1,
    parameter int TOP        = 0,
    parameter int LEFT       = 0,
    parameter int H          = 1,
    parameter int W          = 1,
    parameter     WEIGHTS    = "",
    parameter     THRESHOLDS = ""
) (
    input  logic                      clk,
    input  logic                      rst,
    input  logic [M*SIMD*IN_BITS-1:0] in_data,
    input  logic                      in_valid,
    output logic                      in_ready,
    output logic [ M*PE*OUT_BITS-1:0] out_data,
    output logic                      out_valid,
    input  logic                      out_ready
);
  logic [M-1:0] ready, valid;
  assign in_ready  = ready[0];
  assign out_valid = valid[0];
  logic [11*M-1:0] load;  // constants: no link of a chain
  logic unused;
  assign unused = &{1'b0, ready, valid, load};
  for (genvar m = 0; m < M; m++) begin : g_pixel
    etb_mvau #(
        .MW(MW), .MH(MH), .PE(PE), .SIMD(SIMD), .IN_BITS(IN_BITS), .IN_SIGNED(IN_SIGNED),
        .IN_BIPOLAR(IN_BIPOLAR), .W_BITS(W_BITS), .W_SIGNED(W_SIGNED), .W_BIPOLAR(W_BIPOLAR),
        .ACC_BITS(ACC_BITS), .ACC_SIGNED(ACC_SIGNED), .STEPS(STEPS), .OUT_BITS(OUT_BITS), .OUT_BIAS(OUT_BIAS),
        .RAM_STYLE(RAM_STYLE), .REGISTER(REGISTER), .BORDER(BORDER), .KINDS(KINDS), .M(M), .PHASE(m), .KH(KH),
        .KW(KW), .SH(SH), .SW(SW), .DH(DH), .DW(DW), .OH(OH), .OW(OW), .TOP(TOP), .LEFT(LEFT), .H(H), .W(W),
        .WEIGHTS(WEIGHTS), .THRESHOLDS(THRESHOLDS)
    ) u_mvau (
        .clk(clk), .rst(rst), .in_data(in_data[m*SIMD*IN_BITS+:SIMD*IN_BITS]), .in_valid(in_valid),
        .in_ready(ready[m]), .out_data(out_data[m*PE*OUT_BITS+:PE*OUT_BITS]), .out_valid(valid[m]),
        .out_ready(out_ready), .load_in('0), .load_out(load[11*m+:11])
    );
  end
endmodule
