// Walks along the windows of a padded image and tells for each which of its taps lie on the border, as a number.
//
// Windows follow each other along OW, then OH, at strides SH and SW; of a row every M-th is seen here, from window
// PHASE on. `step` goes on to the next. Along an axis the number rises by one for each tap that enters the image and
// each that leaves it, from window 0 on; that of a window is (that of its row) * (numbers along x) + (that along x).
module etb_border_kind #(
    parameter int KH    = 3,
    parameter int KW    = 3,
    parameter int SH    = 1,
    parameter int SW    = 1,
    parameter int DH    = 1,
    parameter int DW    = 1,
    parameter int OH    = 4,
    parameter int OW    = 4,
    parameter int TOP   = 1,
    parameter int LEFT  = 1,
    parameter int H     = 4,
    parameter int W     = 4,
    parameter int M     = 1,
    parameter int PHASE = 0,
    parameter int BITS  = 4
) (
    input  logic            clk,
    input  logic            rst,
    input  logic            step,
    output logic [BITS-1:0] kind
);
  // of window `at` along an axis: taps that have entered the image, plus taps that have left it
  function automatic int passed(input int at, input int taps, input int stride, input int dilation,
                                input int first, input int size);
    passed = 0;
    for (int k = 0; k < taps; k++) begin
      if (at * stride + k * dilation >= first) passed = passed + 1;
      if (at * stride + k * dilation >= first + size) passed = passed + 1;
    end
  endfunction
  localparam int FIRST_X = passed(0, KW, SW, DW, LEFT, W);
  localparam int FIRST_Y = passed(0, KH, SH, DH, TOP, H);
  localparam int ALONG   = passed(OW - 1, KW, SW, DW, LEFT, W) - FIRST_X + 1;

  localparam int NX = OW / M;
  logic [NX*BITS-1:0] numbers_x;
  logic [OH*BITS-1:0] numbers_y;
  for (genvar i = 0; i < NX; i++) begin : g_x
    assign numbers_x[i*BITS+:BITS] = BITS'(passed(i * M + PHASE, KW, SW, DW, LEFT, W) - FIRST_X);
  end
  for (genvar i = 0; i < OH; i++) begin : g_y
    assign numbers_y[i*BITS+:BITS] = BITS'(ALONG * (passed(i, KH, SH, DH, TOP, H) - FIRST_Y));
  end

  logic last_x, last_y, unused;
  logic [BITS-1:0] x, y;
  etb_border_kind_axis #(
      .N(NX), .BITS(BITS)
  ) u_x (
      .clk(clk), .rst(rst), .step(step), .numbers(numbers_x), .kind(x), .last(last_x)
  );
  etb_border_kind_axis #(
      .N(OH), .BITS(BITS)
  ) u_y (
      .clk(clk), .rst(rst), .step(step & last_x), .numbers(numbers_y), .kind(y), .last(last_y)
  );
  assign kind   = y + x;
  assign unused = last_y;
endmodule
