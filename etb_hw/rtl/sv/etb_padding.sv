// Constant border: (H, W, C) in, (TOP + H + BOTTOM, LEFT + W + RIGHT, C) out, SIMD channels of M pixels a beat.
// A beat leaves a cycle; the input waits while the border is sent, and the
// border above a frame does not wait for the frame. VALUE is the bit pattern of one channel.
//
// M > 1 takes SIMD = C, and divides W and LEFT + W + RIGHT. The border on the left then shifts pixels by LEFT
// modulo M: a beat out holds the last pixels of the word before and the first ones of the word that comes.
module etb_padding #(
    parameter int M      = 1,
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
    input  logic                   clk,
    input  logic                   rst,
    input  logic [M*SIMD*BITS-1:0] in_data,
    input  logic                   in_valid,
    output logic                   in_ready,
    output logic [M*SIMD*BITS-1:0] out_data,
    output logic                   out_valid,
    input  logic                   out_ready
);
  localparam int HP = TOP + H + BOTTOM;
  localparam int WP = (LEFT + W + RIGHT) / M;  // words of a row out
  localparam int Q = LEFT / M;  // words of border before the first word that has pixels
  localparam int R = LEFT % M;  // pixels of border in it
  localparam int PIXEL = SIMD * BITS;
  localparam int XB = WP > 1 ? $clog2(WP) : 1;
  localparam int YB = HP > 1 ? $clog2(HP) : 1;
  localparam int VALUES = M * SIMD;
  localparam logic [M*PIXEL-1:0] BORDER = {VALUES{BITS'(VALUE)}};
  logic en, step, image, image_x, image_y, end_c, end_x, unused;
  logic [XB-1:0] x;
  logic [YB-1:0] y;
  // whether column x and row y are of the image, told by registers: the last ones before it and of it switch them
  localparam int BEFORE_X = Q > 0 ? Q - 1 : WP - 1;
  localparam int BEFORE_Y = TOP > 0 ? TOP - 1 : HP - 1;
  assign image = image_x & image_y;
  assign en = ~out_valid | out_ready;
  assign in_ready = en & image;
  assign step = en & (~image | in_valid);
  assign end_x = x == XB'(WP - 1);

  etb_counter #(.N(C / SIMD), .EARLY(1)) u_c (
      .clk(clk), .rst(rst), .step(step), .clear(1'b0), .zero(unused), .last(end_c)
  );
  always_ff @(posedge clk)
    if (rst) begin
      x         <= '0;
      y         <= '0;
      image_x   <= Q == 0;
      image_y   <= TOP == 0;
      out_valid <= 1'b0;
    end else if (en) begin
      out_valid <= step;
      if (step & end_c) begin
        x <= end_x ? '0 : x + 1'b1;
        image_x <= x == XB'(BEFORE_X) || (image_x && x != XB'(Q + W / M - 1));
        if (end_x) begin
          y <= y == YB'(HP - 1) ? '0 : y + 1'b1;
          image_y <= y == YB'(BEFORE_Y) || (image_y && y != YB'(TOP + H - 1));
        end
      end
    end

  generate
    if (R > 0) begin : g_shifted
      logic kept;  // whether the word before has pixels
      logic [R*PIXEL-1:0] last;
      always_ff @(posedge clk)
        if (rst) kept <= 1'b0;
        else if (step) kept <= image;
      always_ff @(posedge clk)
        if (step) begin
          last <= in_data[M*PIXEL-1-:R*PIXEL];
          out_data <= {
            image ? in_data[(M-R)*PIXEL-1:0] : BORDER[(M-R)*PIXEL-1:0],
            kept ? last : BORDER[R*PIXEL-1:0]
          };
        end
    end else begin : g_aligned
      always_ff @(posedge clk) if (en) out_data <= image ? in_data : BORDER;
    end
  endgenerate
endmodule
