// Convolution windows of an image, whole: (H, W, C) in, a pixel a beat; (OH, OW, KH * KW * C) out, a window a beat.
//
// `column` holds the pixel that comes and those above it, which the line buffers keep: one memory of W * DH
// words, read one step ahead of the pixel. With every pixel a column moves into the window's registers; a window
// is sent for the pixel that ends it. Values of a window have (ky, kx, channel) order. Latency: 1 cycle.
module etb_parallel_window #(
    parameter int H         = 6,
    parameter int W         = 6,
    parameter int C         = 4,
    parameter int BITS      = 1,
    parameter int KH        = 3,
    parameter int KW        = 3,
    parameter int SH        = 1,
    parameter int SW        = 1,
    parameter int DH        = 1,
    parameter int DW        = 1,
    parameter int RAM_STYLE = 0
) (
    input  logic                       clk,
    input  logic                       rst,
    input  logic [         C*BITS-1:0] in_data,
    input  logic                       in_valid,
    output logic                       in_ready,
    output logic [KH*KW*C*BITS-1:0] out_data,
    output logic                       out_valid,
    input  logic                       out_ready
);
  localparam int PIXEL   = C * BITS;
  localparam int COLUMNS = (KW - 1) * DW + 1;
  logic en, step, end_x, end_y, keep_x, keep_y;
  logic [1:0] unused;
  logic [KH*PIXEL-1:0] column;  // the pixel in the lowest bits, what is above it higher up
  logic [PIXEL-1:0] window[KH][COLUMNS];

  assign en       = ~out_valid | out_ready;
  assign in_ready = en;
  assign step     = in_valid & en;

  etb_counter #(.N(W)) u_x (
      .clk(clk), .rst(rst), .step(step), .clear(1'b0), .zero(unused[0]), .last(end_x)
  );
  etb_counter #(.N(H)) u_y (
      .clk(clk), .rst(rst), .step(step & end_x), .clear(1'b0), .zero(unused[1]), .last(end_y)
  );
  etb_wait #(.FIRST(COLUMNS - 1), .EVERY(SW)) u_columns (
      .clk(clk), .rst(rst), .step(step), .restart(end_x), .now(keep_x)
  );
  etb_wait #(.FIRST((KH - 1) * DH), .EVERY(SH)) u_rows (
      .clk(clk), .rst(rst), .step(step & end_x), .restart(end_y), .now(keep_y)
  );

  assign column[PIXEL-1:0] = in_data;
  generate
    if (KH > 1) begin : g_lines
      localparam int DEPTH = W * DH;
      localparam int AW    = $clog2(DEPTH) > 0 ? $clog2(DEPTH) : 1;
      logic [AW-1:0] raddr, waddr;
      etb_ram #(
          .WIDTH((KH - 1) * PIXEL), .DEPTH(DEPTH), .STYLE(RAM_STYLE)
      ) u_buffer (
          .clk(clk), .write(step), .waddr(waddr), .wdata(column[(KH-1)*PIXEL-1:0]),
          .read(step), .raddr(raddr), .rdata(column[KH*PIXEL-1:PIXEL])
      );
      always_ff @(posedge clk)
        if (rst) begin
          waddr <= '0;
          raddr <= AW'(1);
        end else if (step) begin
          waddr <= raddr;
          raddr <= raddr == AW'(DEPTH - 1) ? '0 : raddr + 1'b1;
        end
    end

    for (genvar ky = 0; ky < KH; ky++) begin : g_row
      always_ff @(posedge clk)
        if (step) begin
          for (int x = 0; x < COLUMNS - 1; x++) window[ky][x] <= window[ky][x+1];
          window[ky][COLUMNS-1] <= column[(KH-1-ky)*PIXEL+:PIXEL];
        end
      for (genvar kx = 0; kx < KW; kx++) begin : g_tap
        assign out_data[(ky*KW+kx)*PIXEL+:PIXEL] = window[ky][kx*DW];
      end
    end
  endgenerate

  always_ff @(posedge clk)
    if (rst) out_valid <= 1'b0;
    else if (en) out_valid <= in_valid & keep_x & keep_y;
endmodule
