// Convolution windows of an image: (H, W, C) in, (OH, OW, KH * KW * C) out, SIMD channels a beat.
//
// Windows leave in (ky, kx, channel) order; with DEPTHWISE in (channel fold, ky, kx) order.
// A cyclic buffer of DEPTH beats (at least the span of a window) holds what later windows need. `base` is the
// first pixel of the current window, `offset` the beat that is read, counted from base, `level` how many beats
// from base on have arrived: it is negative while the next window starts at a pixel yet to come.
// A 1x1 kernel needs no buffer: it passes or drops pixels. Latency: 2 cycles from the beat that is needed.
module etb_sliding_window #(
    parameter int H         = 6,
    parameter int W         = 6,
    parameter int C         = 4,
    parameter int SIMD      = 2,
    parameter int BITS      = 1,
    parameter int KH        = 3,
    parameter int KW        = 3,
    parameter int SH        = 1,
    parameter int SW        = 1,
    parameter int DH        = 1,
    parameter int DW        = 1,
    parameter bit DEPTHWISE = 0,
    parameter int DEPTH     = 30,
    parameter int RAM_STYLE = 0
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
  localparam int CF = C / SIMD;
  localparam int OH = (H - (KH - 1) * DH - 1) / SH + 1;
  localparam int OW = (W - (KW - 1) * DW - 1) / SW + 1;
  logic en;
  assign en = ~out_valid | out_ready;

  generate
    if (KH * KW == 1) begin : g_pointwise
      logic keep;
      etb_pixel_filter #(
          .H(H), .W(W), .CF(CF), .SH(SH), .SW(SW)
      ) u_filter (
          .clk(clk), .rst(rst), .step(in_valid & en), .keep(keep)
      );
      assign in_ready = en;
      always_ff @(posedge clk)
        if (rst) out_valid <= 1'b0;
        else if (en) out_valid <= in_valid & keep;
      always_ff @(posedge clk) if (en) out_data <= in_data;
    end else begin : g_window
      // three nested loops inside a window: extents, and the beats from one read to the next
      localparam int N0 = DEPTHWISE ? KW : CF;
      localparam int N1 = DEPTHWISE ? KH : KW;
      localparam int N2 = DEPTHWISE ? CF : KH;
      localparam int T0 = DEPTHWISE ? DW * CF : 1;
      localparam int T1 = (DEPTHWISE ? DH * W * CF : DW * CF) - (N0 - 1) * T0;
      localparam int T2 = (DEPTHWISE ? 1 : DH * W * CF) - (N0 - 1) * T0 - (N1 - 1) * (T1 + (N0 - 1) * T0);
      // from a window to the next: along the row, to the next row, to the next frame
      localparam int A0 = SW * CF;
      localparam int A1 = SH * W * CF - (OW - 1) * A0;
      localparam int A2 = H * W * CF - (OH - 1) * SH * W * CF - (OW - 1) * A0;
      localparam int AM = A0 > A1 ? (A0 > A2 ? A0 : A2) : (A1 > A2 ? A1 : A2);

      localparam int DB = $clog2(DEPTH) > 0 ? $clog2(DEPTH) : 1;
      localparam int LB = $clog2(DEPTH + AM + 1) + 1;
      localparam int B0 = N0 > 1 ? $clog2(N0) : 1;
      localparam int B1 = N1 > 1 ? $clog2(N1) : 1;
      localparam int B2 = N2 > 1 ? $clog2(N2) : 1;
      localparam int BX = OW > 1 ? $clog2(OW) : 1;
      localparam int BY = OH > 1 ? $clog2(OH) : 1;

      function automatic int modulo(input int a);
        modulo = ((a % DEPTH) + DEPTH) % DEPTH;
      endfunction
      function automatic logic [DB-1:0] wrap(input logic [DB:0] a);
        wrap = a >= (DB + 1)'(DEPTH) ? DB'(a - (DB + 1)'(DEPTH)) : a[DB-1:0];
      endfunction

      logic [B0-1:0] i0;
      logic [B1-1:0] i1;
      logic [B2-1:0] i2;
      logic [BX-1:0] ox;
      logic [BY-1:0] oy;
      logic [DB-1:0] waddr, raddr, base, move, jump, next_base;
      logic signed [LB-1:0] level, offset, stride, ahead;
      logic end0, end1, end2, end_x, end_y, write, read, done;

      assign end0  = i0 == B0'(N0 - 1);
      assign end1  = i1 == B1'(N1 - 1);
      assign end2  = i2 == B2'(N2 - 1);
      assign end_x = ox == BX'(OW - 1);
      assign end_y = oy == BY'(OH - 1);

      assign in_ready  = level < LB'(DEPTH);
      assign write     = in_valid & in_ready;
      assign read      = en & (offset < level);
      assign done      = read & end0 & end1 & end2;
      assign stride    = end0 ? (end1 ? LB'(T2) : LB'(T1)) : LB'(T0);
      assign move      = end0 ? (end1 ? DB'(modulo(T2)) : DB'(modulo(T1))) : DB'(modulo(T0));
      assign ahead     = end_x ? (end_y ? LB'(A2) : LB'(A1)) : LB'(A0);
      assign jump      = end_x ? (end_y ? DB'(modulo(A2)) : DB'(modulo(A1))) : DB'(modulo(A0));
      assign next_base = wrap({1'b0, base} + {1'b0, jump});

      always_ff @(posedge clk)
        if (rst) begin
          i0     <= '0;
          i1     <= '0;
          i2     <= '0;
          ox     <= '0;
          oy     <= '0;
          waddr  <= '0;
          raddr  <= '0;
          base   <= '0;
          offset <= '0;
          level  <= '0;
        end else begin
          if (write) waddr <= waddr == DB'(DEPTH - 1) ? '0 : waddr + 1'b1;
          level <= level + (write ? LB'(1) : LB'(0)) - (done ? ahead : LB'(0));
          if (read) begin
            i0 <= end0 ? '0 : i0 + 1'b1;
            if (end0) i1 <= end1 ? '0 : i1 + 1'b1;
            if (end0 & end1) i2 <= end2 ? '0 : i2 + 1'b1;
            offset <= done ? '0 : offset + stride;
            raddr  <= done ? next_base : wrap({1'b0, raddr} + {1'b0, move});
          end
          if (done) begin
            base <= next_base;
            ox   <= end_x ? '0 : ox + 1'b1;
            if (end_x) oy <= end_y ? '0 : oy + 1'b1;
          end
        end

      etb_ram #(
          .WIDTH(SIMD * BITS), .DEPTH(DEPTH), .STYLE(RAM_STYLE)
      ) u_buffer (
          .clk(clk), .write(write), .waddr(waddr), .wdata(in_data),
          .read(read), .raddr(raddr), .rdata(out_data)
      );
      always_ff @(posedge clk)
        if (rst) out_valid <= 1'b0;
        else if (en) out_valid <= read;
    end
  endgenerate
endmodule
