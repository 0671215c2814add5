// Says of each beat of an image whether its pixel stays when every SH-th row and SW-th column is kept.
module etb_pixel_filter #(
    parameter int H  = 4,
    parameter int W  = 4,
    parameter int CF = 1,
    parameter int SH = 2,
    parameter int SW = 2
) (
    input  logic clk,
    input  logic rst,
    input  logic step,
    output logic keep
);
  logic row, column, end_c, end_x, end_y, next_pixel, next_row;
  logic [4:0] unused;
  assign next_pixel = step & end_c;
  assign next_row   = next_pixel & end_x;
  etb_counter #(.N(CF)) u_c (
      .clk(clk), .rst(rst), .step(step), .clear(1'b0), .zero(unused[0]), .last(end_c)
  );
  etb_counter #(.N(W)) u_x (
      .clk(clk), .rst(rst), .step(next_pixel), .clear(1'b0), .zero(unused[1]), .last(end_x)
  );
  etb_counter #(.N(H)) u_y (
      .clk(clk), .rst(rst), .step(next_row), .clear(1'b0), .zero(unused[2]), .last(end_y)
  );
  // the phases restart with the row and with the frame
  etb_counter #(.N(SW)) u_column (
      .clk(clk), .rst(rst), .step(next_pixel), .clear(end_x), .zero(column), .last(unused[3])
  );
  etb_counter #(.N(SH)) u_row (
      .clk(clk), .rst(rst), .step(next_row), .clear(end_y), .zero(row), .last(unused[4])
  );
  assign keep = row & column;
endmodule
