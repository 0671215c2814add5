// Maximum over windows that tile the image, M pixels a beat: (H, W, C) in, (H / KH, W / KW, C) out.
//
// The pixels of a beat that lie in one window are compared first; what is left of the pool goes through
// etb_max_pool. M divides KW or KW divides M: max(1, M / KW) pixels leave a beat. A beat is taken every cycle.
module etb_max_pool_pixels #(
    parameter int M      = 2,
    parameter int H      = 4,
    parameter int W      = 4,
    parameter int C      = 4,
    parameter int BITS   = 1,
    parameter bit SIGNED = 0,
    parameter int KH     = 2,
    parameter int KW     = 2
) (
    input  logic                                 clk,
    input  logic                                 rst,
    input  logic [                 M*C*BITS-1:0] in_data,
    input  logic                                 in_valid,
    output logic                                 in_ready,
    output logic [(M>KW ? M/KW : 1)*C*BITS-1:0]  out_data,
    output logic                                 out_valid,
    input  logic                                 out_ready
);
  localparam int JOINED = M < KW ? M : KW;  // pixels of a beat in one window
  localparam int GROUPS = M / JOINED;
  localparam int PIXEL  = C * BITS;
  localparam int IB     = JOINED > 1 ? $clog2(JOINED) : 1;
  logic [GROUPS*PIXEL-1:0] most;
  for (genvar g = 0; g < GROUPS; g++) begin : g_window
    for (genvar c = 0; c < C; c++) begin : g_channel
      logic [JOINED*BITS-1:0] pixels;
      logic [IB-1:0] unused;
      for (genvar j = 0; j < JOINED; j++) begin : g_pixel
        assign pixels[j*BITS+:BITS] = in_data[(g*JOINED+j)*PIXEL+c*BITS+:BITS];
      end
      etb_largest #(
          .N(JOINED), .BITS(BITS), .SIGNED(SIGNED)
      ) u_largest (
          .clk(clk), .en(1'b1), .x(pixels), .best(most[g*PIXEL+c*BITS+:BITS]), .index(unused)
      );
    end
  end

  etb_max_pool #(
      .H(H), .W(W / M), .C(GROUPS * C), .PE(GROUPS * C), .BITS(BITS),
      .SIGNED(SIGNED), .KH(KH), .KW(KW / JOINED)
  ) u_pool (
      .clk(clk), .rst(rst), .in_data(most), .in_valid(in_valid), .in_ready(in_ready), .out_data(out_data),
      .out_valid(out_valid), .out_ready(out_ready)
  );
endmodule
