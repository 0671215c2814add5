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
  // taps that have entered the image plus taps that have left it, of a window along x
  function automatic int passed(input int window);
    passed = 0;
    for (int k = 0; k < KW; k++) begin
      if (window * SW + k * DW >= LEFT) passed = passed + 1;
      if (window * SW + k * DW >= LEFT + W) passed = passed + 1;
    end
  endfunction
  localparam int ALONG = passed(OW - 1) - passed(0) + 1;

  logic last_x, last_y, unused;
  logic [BITS-1:0] x, y;
  etb_border_kind_axis #(
      .K(KW), .S(SW), .D(DW), .O(OW), .BEFORE(LEFT), .SIZE(W), .M(M), .PHASE(PHASE), .BITS(BITS)
  ) u_x (
      .clk(clk), .rst(rst), .step(step), .kind(x), .last(last_x)
  );
  etb_border_kind_axis #(
      .K(KH), .S(SH), .D(DH), .O(OH), .BEFORE(TOP), .SIZE(H), .SCALE(ALONG), .BITS(BITS)
  ) u_y (
      .clk(clk), .rst(rst), .step(step & last_x), .kind(y), .last(last_y)
  );
  assign kind   = y + x;
  assign unused = last_y;
endmodule
