// Convolution windows of an image, whole: (H, W, C) in, M pixels a beat; (OH, OW, KH * KW * C) out.
//
// A word is M neighbouring pixels of a row. `column` holds the word that comes and those above it, which the line
// buffers keep: one memory of W / M * DH words, read one step ahead. With every word a column moves into the
// registers of a row, FIRST + 1 words that the windows of a beat reach over; windows are sent for the word that
// ends the last of them: one a beat, or M / SW. M divides W; above 1, SW divides M, and M / SW the row of windows.
// Window 0 of a beat is the leftmost, its values have (ky, kx, channel) order. Latency: 1 cycle.
module etb_parallel_window #(
    parameter int M         = 1,
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
    input  logic                                            clk,
    input  logic                                            rst,
    input  logic [                          M*C*BITS-1:0]   in_data,
    input  logic                                            in_valid,
    output logic                                            in_ready,
    output logic [(M < SW ? 1 : M/SW)*KH*KW*C*BITS-1:0]     out_data,
    output logic                                            out_valid,
    input  logic                                            out_ready
);
  localparam int PIXEL   = C * BITS;
  localparam int WORD    = M * PIXEL;
  localparam int WINDOWS = M < SW ? 1 : M / SW;
  localparam int EVERY   = M < SW ? SW / M : 1;
  localparam int FIRST   = ((WINDOWS - 1) * SW + (KW - 1) * DW) / M;
  logic en, step, end_x, end_y, keep_x, keep_y;
  logic [1:0] unused;
  logic [KH*WORD-1:0] column;  // the word in the lowest bits, what is above it higher up
  logic [WORD-1:0] window[KH][FIRST+1];

  assign en       = ~out_valid | out_ready;
  assign in_ready = en;
  assign step     = in_valid & en;

  etb_counter #(.N(W / M)) u_x (
      .clk(clk), .rst(rst), .step(step), .clear(1'b0), .zero(unused[0]), .last(end_x)
  );
  etb_counter #(.N(H)) u_y (
      .clk(clk), .rst(rst), .step(step & end_x), .clear(1'b0), .zero(unused[1]), .last(end_y)
  );
  etb_wait #(.FIRST(FIRST), .EVERY(EVERY)) u_columns (
      .clk(clk), .rst(rst), .step(step), .restart(end_x), .now(keep_x)
  );
  etb_wait #(.FIRST((KH - 1) * DH), .EVERY(SH)) u_rows (
      .clk(clk), .rst(rst), .step(step & end_x), .restart(end_y), .now(keep_y)
  );

  assign column[WORD-1:0] = in_data;
  generate
    if (KH > 1) begin : g_lines
      localparam int DEPTH = W / M * DH;
      localparam int AW    = $clog2(DEPTH) > 0 ? $clog2(DEPTH) : 1;
      logic [AW-1:0] raddr, waddr;
      etb_ram #(
          .WIDTH((KH - 1) * WORD), .DEPTH(DEPTH), .STYLE(RAM_STYLE)
      ) u_buffer (
          .clk(clk), .write(step), .waddr(waddr), .wdata(column[(KH-1)*WORD-1:0]),
          .read(step), .raddr(raddr), .rdata(column[KH*WORD-1:WORD])
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
      logic [(FIRST+1)*WORD-1:0] pixels;  // the row's registers side by side, the leftmost pixel lowest
      always_ff @(posedge clk)
        if (step) begin
          for (int x = 0; x < FIRST; x++) window[ky][x] <= window[ky][x+1];
          window[ky][FIRST] <= column[(KH-1-ky)*WORD+:WORD];
        end
      for (genvar x = 0; x <= FIRST; x++) begin : g_word
        assign pixels[x*WORD+:WORD] = window[ky][x];
      end
      for (genvar m = 0; m < WINDOWS; m++) begin : g_window
        for (genvar kx = 0; kx < KW; kx++) begin : g_tap
          assign out_data[((m*KH+ky)*KW+kx)*PIXEL+:PIXEL] = pixels[(m*SW+kx*DW)*PIXEL+:PIXEL];
        end
      end
      logic unused_pixels;
      assign unused_pixels = &{1'b0, pixels};
    end
  endgenerate

  always_ff @(posedge clk)
    if (rst) out_valid <= 1'b0;
    else if (en) out_valid <= in_valid & keep_x & keep_y;
endmodule
