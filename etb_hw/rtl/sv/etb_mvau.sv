// Matrix-vector-activation unit: MH x MW weights, PE rows and SIMD columns a cycle, thresholds fused.
//
// A pixel takes NF * SF = (MH / PE) * (MW / SIMD) cycles, without a bubble. During the first neuron fold the
// SF input beats stream in and are kept; the other NF - 1 folds read the kept copy.
// What is accumulated:
//   bipolar x bipolar: how many of the MW pairs agree; thresholds are given in that domain, sums are 2y - MW
//   else: the sum of the products.
// STEPS = 0 sends sums of OUT_BITS bits, else lane p of a beat is OUT_BIAS + #{t : sum >= t}. A single
// threshold costs no comparator: the sum starts from -t, and its sign is the answer.
// Weight word nf * SF + sf holds PE * SIMD weights, row-major, column 0 in the least significant bits.
// Threshold word nf holds PE * STEPS values of ACC_BITS bits; a single threshold as -t, a bit wider.
// BORDER = 1: taps outside of the image count as zero, whatever they hold. For signs that is half of their
// pairs agreeing; SIMD divides the channels, which are even then. TAP_BEATS and what follows: see etb_border.
// BORDER = 2: the same of whole windows (SIMD = MW) whose border holds -1. Which taps that are is one of KINDS
// numbers (see etb_border_kind; M and PHASE, too), and thresholds are given for each, word kind * NF + nf; with
// STEPS = 0 the words hold what is to be added to sums.
// For a faster clock, each with a longer LAT: REGISTER = 1, factors pass a register behind their memories;
// ROWS below the number of weight words, the memory is read in banks (see etb_rom; takes REGISTER); SPLIT, see
// etb_dot.
// WRITABLE = 1: weights and thresholds are links of the chain from load_in to load_out (see etb_writable),
// which runs while rst is held. It takes ROWS as it is.
// Latency from the last input beat: LAT + 3 cycles.
module etb_mvau #(
    parameter int MW         = 18,
    parameter int MH         = 4,
    parameter int PE         = 2,
    parameter int SIMD       = 9,
    parameter int IN_BITS    = 1,
    parameter bit IN_SIGNED  = 0,
    parameter bit IN_BIPOLAR = 1,
    parameter int W_BITS     = 1,
    parameter bit W_SIGNED   = 0,
    parameter bit W_BIPOLAR  = 1,
    parameter int ACC_BITS   = 6,
    parameter bit ACC_SIGNED = 0,
    parameter int STEPS      = 1,
    parameter int OUT_BITS   = 1,
    parameter int OUT_BIAS   = 0,
    parameter int RAM_STYLE  = 0,
    parameter bit REGISTER   = 0,
    parameter bit WRITABLE   = 0,
    parameter int ROWS       = MH / PE * (MW / SIMD),
    parameter bit SPLIT      = 0,
    parameter int BORDER     = 0,
    parameter int KINDS      = 1,
    parameter int M          = 1,
    parameter int PHASE      = 0,
    parameter int TAP_BEATS  = 1,
    parameter int KH         = 1,
    parameter int KW         = 1,
    parameter int SH         = 1,
    parameter int SW         = 1,
    parameter int DH         = 1,
    parameter int DW         = 1,
    parameter int OH         = 1,
    parameter int OW         = 1,
    parameter int TOP        = 0,
    parameter int LEFT       = 0,
    parameter int H          = 1,
    parameter int W          = 1,
    parameter     WEIGHTS    = "",
    parameter     THRESHOLDS = ""
) (
    input  logic                    clk,
    input  logic                    rst,
    input  logic [SIMD*IN_BITS-1:0] in_data,
    input  logic                    in_valid,
    output logic                    in_ready,
    output logic [PE*OUT_BITS-1:0]  out_data,
    output logic                    out_valid,
    input  logic                    out_ready,
    input  logic [10:0]             load_in,
    output logic [10:0]             load_out
);
  localparam int SF = MW / SIMD;
  localparam int NF = MH / PE;
  localparam int SFB = SF > 1 ? $clog2(SF) : 1;
  localparam int NFB = NF > 1 ? $clog2(NF) : 1;
  localparam int WAB = SF * NF > 1 ? $clog2(SF * NF) : 1;
  localparam int TAB = KINDS * NF > 1 ? $clog2(KINDS * NF) : 1;
  // arithmetic of etb_dot; factors that are bipolar or unsigned become signed numbers in mode 2
  localparam int MODE = W_BIPOLAR ? (IN_BIPOLAR ? 0 : 1) : 2;
  localparam int XB = MODE == 2 && (IN_BIPOLAR || !IN_SIGNED) ? IN_BITS + 1 : IN_BITS;
  localparam int WB = MODE == 2 && !W_SIGNED ? W_BITS + 1 : W_BITS;
  localparam int LEAF = MODE == 0 ? 18 : MODE == 1 ? 2 : 1;
  localparam bit BANKED = ROWS < SF * NF;
  localparam int LAT = 1 + REGISTER + BANKED + SPLIT + $clog2((SIMD + LEAF - 1) / LEAF);
  localparam int YB = MODE == 0 ? $clog2(SIMD + 1) : (MODE == 1 ? XB : XB + WB) + $clog2(SIMD);
  localparam bit BIASED = STEPS == 1 && MODE != 1;
  localparam int AB = BIASED ? ACC_BITS + 1 : ACC_BITS;
  localparam bit Y_SIGNED = MODE == 2 || (MODE == 1 && IN_SIGNED);

  // the whole pipeline moves together; it stops only while a finished beat is not taken
  logic en, step, from_buffer, last_sf;
  logic [SFB-1:0] sf;
  logic [NFB-1:0] nf;
  logic [WAB-1:0] word;
  assign en          = ~out_valid | out_ready;
  assign from_buffer = nf != '0;
  assign in_ready    = en & ~from_buffer;
  assign step        = en & (from_buffer | in_valid);
  assign last_sf     = sf == SFB'(SF - 1);

  always_ff @(posedge clk)
    if (rst) begin
      sf   <= '0;
      nf   <= '0;
      word <= '0;
    end else if (step) begin
      sf   <= last_sf ? '0 : sf + 1'b1;
      word <= word == WAB'(SF * NF - 1) ? '0 : word + 1'b1;
      if (last_sf) nf <= nf == NFB'(NF - 1) ? '0 : nf + 1'b1;
    end

  // stage 1: input beat (streamed or kept) and weight word
  logic [SIMD*IN_BITS-1:0] x, x_read;
  logic [PE*SIMD*W_BITS-1:0] w, w_read;
  generate
    if (NF == 1) begin : g_stream
      always_ff @(posedge clk) if (en) x_read <= in_data;
    end else if (SF == 1) begin : g_hold
      always_ff @(posedge clk) if (en & ~from_buffer) x_read <= in_data;
    end else begin : g_keep
      (* ram_style = "distributed" *) logic [SIMD*IN_BITS-1:0] kept[SF];
      logic [SFB-1:0] sf_q;
      always_ff @(posedge clk) if (step & ~from_buffer) kept[sf] <= in_data;
      always_ff @(posedge clk) if (en) sf_q <= sf;
      // also a beat that streams in is read back from here, so that nothing has to choose between the two
      assign x_read = kept[sf_q];
    end
  endgenerate

  logic [10:0] load_between;
  etb_memory #(
      .WRITABLE(WRITABLE), .WIDTH(PE * SIMD * W_BITS), .DEPTH(SF * NF), .FILE(WEIGHTS), .STYLE(RAM_STYLE),
      .READ(REGISTER ? 2 : 1), .ROWS(ROWS)
  ) u_weights (
      .clk(clk), .loading(rst), .en(en), .addr(word), .data(w_read), .word(w),
      .load_in(load_in), .load_out(load_between)
  );
  generate
    if (REGISTER) begin : g_register
      logic [SIMD*IN_BITS-1:0] x_beside;  // of the weights as they leave their memory
      if (BANKED) begin : g_later
        always_ff @(posedge clk) if (en) x_beside <= x_read;
      end else begin : g_now
        assign x_beside = x_read;
      end
      always_ff @(posedge clk)
        if (en) begin
          x <= x_beside;
          w <= w_read;
        end
    end else begin : g_direct
      assign x = x_read;
      assign w = w_read;
    end
  endgenerate

  // factors as etb_dot takes them
  logic [SIMD*XB-1:0] xs;
  logic [PE*SIMD*WB-1:0] ws;
  generate
    if (XB == IN_BITS) begin : g_x
      assign xs = x;
    end else begin : g_wider_x
      for (genvar i = 0; i < SIMD; i++) begin : g_lane
        if (IN_BIPOLAR) begin : g_bipolar
          assign xs[i*XB+:XB] = {~x[i], 1'b1};
        end else begin : g_unsigned
          assign xs[i*XB+:XB] = {1'b0, x[i*IN_BITS+:IN_BITS]};
        end
      end
    end
    if (WB == W_BITS) begin : g_w
      assign ws = w;
    end else begin : g_wider_w
      for (genvar i = 0; i < PE * SIMD; i++) begin : g_lane
        assign ws[i*WB+:WB] = {1'b0, w[i*W_BITS+:W_BITS]};
      end
    end
  endgenerate

  // control travels beside the data: valid, last column, word of the thresholds
  logic [LAT:0] valid_q, last_q;
  logic [(LAT+1)*TAB-1:0] entry_q;
  logic [TAB-1:0] entry, row;
  logic sum_valid;
  assign row = entry_q[LAT*TAB+:TAB];
  always_ff @(posedge clk)
    if (rst) begin
      valid_q   <= '0;
      sum_valid <= 1'b0;
      out_valid <= 1'b0;
    end else if (en) begin
      valid_q   <= {valid_q[LAT-1:0], step};
      sum_valid <= valid_q[LAT] & last_q[LAT];
      out_valid <= sum_valid;
    end
  always_ff @(posedge clk)
    if (en) begin
      last_q  <= {last_q[LAT-1:0], last_sf};
      entry_q <= {entry_q[LAT*TAB-1:0], entry};
    end

  // a beat on the border of zeros: what its dot products count for
  logic outside;
  logic [YB-1:0] neutral;
  generate
    if (BORDER == 2) begin : g_kinds
      logic [TAB-1:0] kind;
      etb_border_kind #(
          .KH(KH), .KW(KW), .SH(SH), .SW(SW), .DH(DH), .DW(DW), .OH(OH), .OW(OW), .TOP(TOP), .LEFT(LEFT),
          .H(H), .W(W), .M(M), .PHASE(PHASE), .BITS(TAB)
      ) u_kind (
          .clk(clk), .rst(rst), .step(step & (nf == NFB'(NF - 1))), .kind(kind)
      );
      assign entry   = TAB'(kind * NF) + TAB'(nf);
      assign outside = 1'b0;
      assign neutral = '0;
    end else if (BORDER == 1) begin : g_border
      logic border, odd;
      logic [LAT:0] border_q, odd_q;
      etb_border #(
          .BEATS(TAP_BEATS), .KH(KH), .KW(KW), .SH(SH), .SW(SW), .DH(DH), .DW(DW), .OH(OH), .OW(OW),
          .TOP(TOP), .LEFT(LEFT), .H(H), .W(W)
      ) u_border (
          .clk(clk), .rst(rst), .step(step), .leave(nf == NFB'(NF - 1)), .border(border), .odd(odd)
      );
      always_ff @(posedge clk)
        if (en) begin
          border_q <= {border_q[LAT-1:0], border};
          odd_q    <= {odd_q[LAT-1:0], odd};
        end
      assign outside = border_q[LAT];
      // of an odd number of pairs one half is larger: the two take turns over the beats of a tap
      assign neutral = MODE != 0 ? '0 : YB'(SIMD / 2) + YB'(SIMD % 2 == 1 && odd_q[LAT]);
      assign entry   = nf;
    end else begin : g_inside
      assign entry   = nf;
      assign outside = 1'b0;
      assign neutral = '0;
    end
  endgenerate

  // stages 2 .. LAT + 1: dot products; stage LAT + 2: accumulators
  logic [PE*AB-1:0] total, bias;
  logic add, fresh;
  assign add = en & valid_q[LAT];
  always_ff @(posedge clk)
    if (rst) fresh <= 1'b1;
    else if (add) fresh <= last_q[LAT];
  for (genvar p = 0; p < PE; p++) begin : g_pe
    logic [YB-1:0] y, counted;
    assign counted = outside ? neutral : y;
    etb_dot #(
        .N(SIMD), .MODE(MODE), .XB(XB), .X_SIGNED(IN_SIGNED), .WB(WB), .SPLIT(SPLIT)
    ) u_dot (
        .clk(clk), .en(en), .x(xs), .w(ws[p*SIMD*WB+:SIMD*WB]), .y(y)
    );
    etb_accumulate #(
        .YB(YB), .Y_SIGNED(Y_SIGNED), .AB(AB), .SINGLE(SF == 1)
    ) u_acc (
        .clk(clk), .step(add), .fresh(fresh), .y(counted), .bias(bias[p*AB+:AB]), .sum(total[p*AB+:AB])
    );
  end

  logic [PE*ACC_BITS-1:0] sum;
  generate
    if (MODE == 1) begin : g_bipolar
      // sum(w * x) = 2 * (sum of x where w = +1) - (sum of x); the second one is shared by all rows
      logic [YB-1:0] y;
      logic [ACC_BITS-1:0] all;
      etb_dot #(
          .N(SIMD), .MODE(1), .XB(XB), .X_SIGNED(IN_SIGNED), .WB(1)
      ) u_dot (
          .clk(clk), .en(en), .x(xs), .w({SIMD{1'b1}}), .y(y)
      );
      etb_accumulate #(
          .YB(YB), .Y_SIGNED(Y_SIGNED), .AB(ACC_BITS), .SINGLE(SF == 1)
      ) u_acc (
          .clk(clk), .step(add), .fresh(fresh), .y(y), .bias({ACC_BITS{1'b0}}), .sum(all)
      );
      for (genvar p = 0; p < PE; p++) begin : g_pe
        assign sum[p*ACC_BITS+:ACC_BITS] = {total[p*ACC_BITS+:ACC_BITS-1], 1'b0} - all;
        logic unused;
        assign unused = &{1'b0, total[(p+1)*ACC_BITS-1]};
      end
    end else begin : g_plain
      for (genvar p = 0; p < PE; p++) begin : g_pe
        assign sum[p*ACC_BITS+:ACC_BITS] = total[p*AB+:ACC_BITS];
      end
    end
  endgenerate

  // last stage: thresholds, or the sums themselves
  logic [PE*OUT_BITS-1:0] result;
  generate
    if (BIASED) begin : g_sign
      // read a cycle earlier than the accumulators need it
      etb_memory #(
          .WRITABLE(WRITABLE), .WIDTH(PE * AB), .DEPTH(KINDS * NF), .FILE(THRESHOLDS), .STYLE(2)
      ) u_thresholds (
          .clk(clk), .loading(rst), .en(en), .addr(entry_q[(LAT-1)*TAB+:TAB]), .data(bias), .word(bias),
          .load_in(load_between), .load_out(load_out)
      );
      for (genvar p = 0; p < PE; p++) begin : g_pe
        assign result[p*OUT_BITS+:OUT_BITS] = OUT_BITS'(OUT_BIAS) + OUT_BITS'(~total[(p+1)*AB-1]);
      end
      logic unused;
      assign unused = &{1'b0, row, sum};
    end else if (STEPS > 0) begin : g_thresholds
      assign bias = '0;
      logic [PE*STEPS*ACC_BITS-1:0] t;
      etb_memory #(
          .WRITABLE(WRITABLE), .WIDTH(PE * STEPS * ACC_BITS), .DEPTH(KINDS * NF), .FILE(THRESHOLDS), .STYLE(2)
      ) u_thresholds (
          .clk(clk), .loading(rst), .en(en), .addr(row), .data(t), .word(t),
          .load_in(load_between), .load_out(load_out)
      );
      for (genvar p = 0; p < PE; p++) begin : g_pe
        etb_compare #(
            .BITS(ACC_BITS), .SIGNED(ACC_SIGNED), .STEPS(STEPS), .OUT_BITS(OUT_BITS), .OUT_BIAS(OUT_BIAS)
        ) u_compare (
            .x(sum[p*ACC_BITS+:ACC_BITS]), .t(t[p*STEPS*ACC_BITS+:STEPS*ACC_BITS]),
            .y(result[p*OUT_BITS+:OUT_BITS])
        );
      end
    end else begin : g_sums
      assign bias = '0;
      assign load_out = load_between;
      logic [PE*OUT_BITS-1:0] added;
      if (BORDER == 2) begin : g_added
        logic [10:0] unused_load;  // constants: no link of the chain
        etb_memory #(
            .WIDTH(PE * OUT_BITS), .DEPTH(KINDS * NF), .FILE(THRESHOLDS), .STYLE(2)
        ) u_added (
            .clk(clk), .loading(rst), .en(en), .addr(row), .data(added), .word(added), .load_in('0),
            .load_out(unused_load)
        );
      end else begin : g_constant
        assign added = '0;
      end
      for (genvar p = 0; p < PE; p++) begin : g_pe
        logic [OUT_BITS-1:0] wide, sums;
        etb_extend #(
            .IN_BITS(ACC_BITS), .SIGNED(ACC_SIGNED), .OUT_BITS(OUT_BITS)
        ) u_extend (
            .x(sum[p*ACC_BITS+:ACC_BITS]), .y(wide)
        );
        assign sums = MODE == 0 ? {wide[OUT_BITS-2:0], 1'b0} : wide;
        assign result[p*OUT_BITS+:OUT_BITS] =
            BORDER == 2 ? sums + added[p*OUT_BITS+:OUT_BITS] : MODE == 0 ? sums - OUT_BITS'(MW) : sums;
      end
      logic unused;
      assign unused = &{1'b0, row};
    end
  endgenerate
  always_ff @(posedge clk) if (en) out_data <= result;
endmodule
