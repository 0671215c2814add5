// Walks along the windows of a padded image and tells of every beat whether its tap lies on the border.
//
// A window is KH x KW taps of BEATS beats each, row by row; windows follow each other along OW, then OH, at
// strides SH and SW. `step` takes the next beat; with the last beat of a window, `leave` goes on to the next
// window, else the same one comes again. `odd` is the parity of the beat within its tap.
module etb_border #(
    parameter int BEATS = 1,
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
    parameter int W     = 4
) (
    input  logic clk,
    input  logic rst,
    input  logic step,
    input  logic leave,
    output logic border,
    output logic odd
);
  logic last_beat, last_kx, last_ky, last_ox, last_oy, unused_beat;
  logic next_tap, next_row, next_window, next_line;
  assign next_tap    = step & last_beat;
  assign next_row    = next_tap & last_kx;
  assign next_window = next_row & last_ky & leave;
  assign next_line   = next_window & last_ox;

  etb_counter #(.N(BEATS)) u_beat (
      .clk(clk), .rst(rst), .step(step), .clear(1'b0), .zero(unused_beat), .last(last_beat)
  );
  if (BEATS % 2 == 0) begin : g_odd
    always_ff @(posedge clk)
      if (rst) odd <= 1'b0;
      else if (step) odd <= ~odd;
  end else begin : g_even
    assign odd = 1'b0;
  end

  logic out_x, out_y;
  etb_border_axis #(.K(KW), .S(SW), .D(DW), .O(OW), .BEFORE(LEFT), .SIZE(W)) u_x (
      .clk(clk), .rst(rst), .tap(next_tap), .window(next_window), .last_tap(last_kx), .last_window(last_ox),
      .border(out_x)
  );
  etb_border_axis #(.K(KH), .S(SH), .D(DH), .O(OH), .BEFORE(TOP), .SIZE(H)) u_y (
      .clk(clk), .rst(rst), .tap(next_row), .window(next_line), .last_tap(last_ky), .last_window(last_oy),
      .border(out_y)
  );
  assign border = out_x | out_y;
  logic unused;
  assign unused = &{1'b0, unused_beat, last_oy};
endmodule
