// Convolution windows of an image: (H, W, C) in, (OH, OW, KH * KW * C) out, SIMD channels a beat.
//
// Windows leave in (ky, kx, channel) order; with DEPTHWISE in (channel fold, ky, kx) order.
// A cyclic buffer of DEPTH beats (at least the span of a window) holds what later windows need. `there` is how
// many beats from the one that is read next on have arrived, less one: it is negative while that is yet to
// come. `room` is how many more the buffer takes, less one; what is before the current window is free.
// A 1x1 kernel needs no buffer: it passes or drops pixels. Latency: 2 cycles from the beat that is needed.
// REGISTER, for a faster clock, adds a register behind the buffer, and a cycle, and has etb_window_level say the
// same of `there` and `room`; ROWS: see etb_ram.
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
    parameter int RAM_STYLE = 0,
    parameter bit REGISTER  = 0,
    parameter int ROWS      = DEPTH
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
      logic [LB-1:0] taken, taken_one, freed, freed_one;
      logic write, read, done, may_read;
      logic [2:0] turn;
      assign write = in_valid & in_ready;
      assign read  = en & may_read;
      assign done  = read & turn >= 3'd3;

      etb_loops #(
          .N0(N0), .N1(N1), .N2(N2), .N3(OW), .N4(OH)
      ) u_loops (
          .clk(clk), .rst(rst), .step(read), .turn(turn)
      );

      // how far the next read lies behind this one: inside the window, or at the start of the next
      always_comb
        case (turn)
          3'd0: {move, back, taken, taken_one} = apart(T0);
          3'd1: {move, back, taken, taken_one} = apart(T1);
          3'd2: {move, back, taken, taken_one} = apart(T2);
          3'd3: {move, back, taken, taken_one} = apart(A0 - SPAN);
          3'd4: {move, back, taken, taken_one} = apart(A1 - SPAN);
          default: {move, back, taken, taken_one} = apart(A2 - SPAN);
        endcase
      always_comb
        case (turn)
          3'd3: {freed, freed_one} = {LB'(A0), LB'(A0 - 1)};
          3'd4: {freed, freed_one} = {LB'(A1), LB'(A1 - 1)};
          default: {freed, freed_one} = {LB'(A2), LB'(A2 - 1)};
        endcase

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
        end else begin
          if (write) waddr <= waddr == DB'(DEPTH - 1) ? '0 : waddr + 1'b1;
          if (read) raddr <= after;
        end

      if (REGISTER) begin : g_level
        logic unused;
        assign unused = &{1'b0, freed[LB-1], freed_one};
        etb_window_level #(
            .DEPTH(DEPTH), .BITS(LB)
        ) u_level (
            .clk(clk), .rst(rst), .write(write), .read(read), .done(done), .taken(taken),
            .taken_one(taken_one), .freed(freed[LB-2:0]), .may_write(in_ready), .may_read(may_read)
        );
      end else begin : g_room
        // whether there is a beat to read, and room for another, are sign bits: nothing is compared
        logic [LB-1:0] there, room;
        assign in_ready = ~room[LB-1];
        assign may_read = ~there[LB-1];
        always_ff @(posedge clk)
          if (rst) begin
            there <= '1;
            room  <= LB'(DEPTH - 1);
          end else begin
            there <= there + (read ? (write ? taken_one : taken) : LB'(write));
            room  <= room + (done ? (write ? freed_one : freed) : {LB{write}});
          end
      end

      logic [SIMD*BITS-1:0] word;
      etb_ram #(
          .WIDTH(SIMD * BITS), .DEPTH(DEPTH), .STYLE(RAM_STYLE), .ROWS(ROWS)
      ) u_buffer (
          .clk(clk), .write(write), .waddr(waddr), .wdata(in_data),
          .read(read), .raddr(raddr), .rdata(word)
      );
      if (REGISTER) begin : g_register
        logic was_read;
        always_ff @(posedge clk)
          if (rst) {out_valid, was_read} <= 2'b00;
          else if (en) {out_valid, was_read} <= {was_read, read};
        always_ff @(posedge clk) if (en) out_data <= word;
      end else begin : g_direct
        assign out_data = word;
        always_ff @(posedge clk)
          if (rst) out_valid <= 1'b0;
          else if (en) out_valid <= read;
      end
    end
  endgenerate
endmodule
