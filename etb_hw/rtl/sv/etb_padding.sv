// Constant border: (H, W, C) in, (TOP + H + BOTTOM, LEFT + W + RIGHT, C) out, SIMD channels a beat.
// A beat leaves a cycle; the input waits while the border is sent, and the
// border above a frame does not wait for the frame. VALUE is the bit pattern of one channel.
module etb_padding #(
    parameter int H      = 4,
    parameter int W      = 4,
    parameter int C      = 4,
    parameter int SIMD   = 2,
    parameter int BITS   = 1,
    parameter int TOP    = 1,
    parameter int LEFT   = 1,
    parameter int BOTTOM = 1,
    parameter int RIGHT  = 1,
    parameter int VALUE  = 0
) (
    input  logic                 clk,
    input  logic                 rst,
    input  logic [SIMD*BITS-1:0] in_data,
    input  logic                 in_valid,
    output logic                 in_ready,
    output logic [SIMD*BITS-1:0] out_data,
    output logic                 out_valid,
    input  logic                 out_ready
);
  localparam int HP = TOP + H + BOTTOM;
  localparam int WP = LEFT + W + RIGHT;
  localparam int XB = WP > 1 ? $clog2(WP) : 1;
  localparam int YB = HP > 1 ? $clog2(HP) : 1;
  logic en, step, image, end_c, end_x, unused;
  logic [XB-1:0] x;
  logic [YB-1:0] y;
  // a difference below zero wraps to more than H or W
  assign image = (XB + 1)'({1'b0, x} - (XB + 1)'(LEFT)) < (XB + 1)'(W) &&
                 (YB + 1)'({1'b0, y} - (YB + 1)'(TOP)) < (YB + 1)'(H);
  assign en = ~out_valid | out_ready;
  assign in_ready = en & image;
  assign step = en & (~image | in_valid);
  assign end_x = x == XB'(WP - 1);

  etb_counter #(.N(C / SIMD)) u_c (
      .clk(clk), .rst(rst), .step(step), .clear(1'b0), .zero(unused), .last(end_c)
  );
  always_ff @(posedge clk)
    if (rst) begin
      x         <= '0;
      y         <= '0;
      out_valid <= 1'b0;
    end else if (en) begin
      out_valid <= step;
      if (step & end_c) begin
        x <= end_x ? '0 : x + 1'b1;
        if (end_x) y <= y == YB'(HP - 1) ? '0 : y + 1'b1;
      end
    end
  always_ff @(posedge clk) if (en) out_data <= image ? in_data : {SIMD{BITS'(VALUE)}};
endmodule
