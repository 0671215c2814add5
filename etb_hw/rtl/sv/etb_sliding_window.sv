// Convolution windows of an image: (H, W, C) in, (OH, OW, KH * KW * C) out, SIMD channels a beat.
//
// Windows leave in (ky, kx, channel) order; with DEPTHWISE in (channel fold, ky, kx) order.
// A cyclic buffer of DEPTH beats (at least the span of a window) holds what later windows need. `there` is how
// many beats from the one that is read next on have arrived, less one: it is negative while that is yet to
// come. `room` is how many more the buffer takes, less one; what is before the current window is free.
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
      // from the first read of a window to that of the next: along the row, to the next row, to the next frame
      localparam int A0 = SW * CF;
      localparam int A1 = SH * W * CF - (OW - 1) * A0;
      localparam int A2 = H * W * CF - (OH - 1) * SH * W * CF - (OW - 1) * A0;
      localparam int AM = A0 > A1 ? (A0 > A2 ? A0 : A2) : (A1 > A2 ? A1 : A2);
      // from its first read to its last
      localparam int SPAN = N2 * (N1 * (N0 - 1) * T0 + (N1 - 1) * T1) + (N2 - 1) * T2;

      localparam int DB = $clog2(DEPTH) > 0 ? $clog2(DEPTH) : 1;
      localparam int LB = $clog2(DEPTH + AM + 1) + 1;

      function automatic int modulo(input int a);
        modulo = ((a % DEPTH) + DEPTH) % DEPTH;
      endfunction

      // a step of so many beats: on in the buffer, the same past its end, and off what is there, also with one more
      function automatic logic [2*DB+2*LB:0] apart(input int beats);
        apart = {
          DB'(modulo(beats)), (DB + 1)'(modulo(beats) - DEPTH), LB'(-beats), LB'(1 - beats)
        };
      endfunction

      logic [DB-1:0] waddr, raddr, after, move;
      logic [DB:0] back;
      logic [LB-1:0] there, room, taken, taken_one, freed, freed_one;
      logic end0, end1, end2, end_x, end_y, write, read, done;
      logic [4:0] unused;

      // whether there is a beat to read, and room for another, are sign bits: nothing is compared
      assign in_ready = ~room[LB-1];
      assign write    = in_valid & in_ready;
      assign read     = en & ~there[LB-1];
      assign done     = read & end0 & end1 & end2;

      etb_counter #(.N(N0), .EARLY(1)) u_0 (
          .clk(clk), .rst(rst), .step(read), .clear(1'b0), .zero(unused[0]), .last(end0)
      );
      etb_counter #(.N(N1), .EARLY(1)) u_1 (
          .clk(clk), .rst(rst), .step(read & end0), .clear(1'b0), .zero(unused[1]), .last(end1)
      );
      etb_counter #(.N(N2), .EARLY(1)) u_2 (
          .clk(clk), .rst(rst), .step(read & end0 & end1), .clear(1'b0), .zero(unused[2]), .last(end2)
      );
      etb_counter #(.N(OW), .EARLY(1)) u_x (
          .clk(clk), .rst(rst), .step(done), .clear(1'b0), .zero(unused[3]), .last(end_x)
      );
      etb_counter #(.N(OH), .EARLY(1)) u_y (
          .clk(clk), .rst(rst), .step(done & end_x), .clear(1'b0), .zero(unused[4]), .last(end_y)
      );

      // how far the next read lies behind this one: inside the window, or at the start of the next
      assign {move, back, taken, taken_one} =
          ~end0 ? apart(T0) : ~end1 ? apart(T1) : ~end2 ? apart(T2) :
          ~end_x ? apart(A0 - SPAN) : ~end_y ? apart(A1 - SPAN) : apart(A2 - SPAN);
      assign {freed, freed_one} = ~end_x ? {LB'(A0), LB'(A0 - 1)} :
          ~end_y ? {LB'(A1), LB'(A1 - 1)} : {LB'(A2), LB'(A2 - 1)};

      // beyond the buffer's end or not: both sums are made at once
      logic [DB:0] sum, wrapped;
      logic unused_sum;
      assign sum        = {1'b0, raddr} + {1'b0, move};
      assign wrapped    = {1'b0, raddr} + back;
      assign after      = DEPTH == 1 << DB || wrapped[DB] ? sum[DB-1:0] : wrapped[DB-1:0];
      assign unused_sum = sum[DB];

      always_ff @(posedge clk)
        if (rst) begin
          waddr <= '0;
          raddr <= '0;
          there <= '1;
          room  <= LB'(DEPTH - 1);
        end else begin
          if (write) waddr <= waddr == DB'(DEPTH - 1) ? '0 : waddr + 1'b1;
          if (read) raddr <= after;
          there <= there + (read ? (write ? taken_one : taken) : LB'(write));
          room  <= room + (done ? (write ? freed_one : freed) : {LB{write}});
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
