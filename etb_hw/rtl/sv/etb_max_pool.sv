// Maximum over windows that tile the image: (H, W, C) in, (H / KH, W / KW, C) out, PE channels a beat.
// One row of partial maxima is kept. A beat is taken every cycle.
// AHEAD (takes C > PE): counters are a beat ahead, and the partial maximum of a beat has been read before it comes,
// for a faster clock; ROWS: see etb_ram. Nothing else changes, in no cycle.
module etb_max_pool #(
    parameter int H      = 4,
    parameter int W      = 4,
    parameter int C      = 4,
    parameter int PE     = 2,
    parameter int BITS   = 1,
    parameter bit SIGNED = 0,
    parameter int KH     = 2,
    parameter int KW     = 2,
    parameter bit AHEAD  = 0,
    parameter int ROWS   = W / KW * (C / PE)
) (
    input  logic               clk,
    input  logic               rst,
    input  logic [PE*BITS-1:0] in_data,
    input  logic               in_valid,
    output logic               in_ready,
    output logic [PE*BITS-1:0] out_data,
    output logic               out_valid,
    input  logic               out_ready
);
  localparam int CF = C / PE;
  localparam int OW = W / KW;
  localparam int WORDS = OW * CF;
  localparam int AB = WORDS > 1 ? $clog2(WORDS) : 1;
  localparam int CB = CF > 1 ? $clog2(CF) : 1;
  logic en, step, end_c, end_x, end_kx, end_ky, first_x, first_y, first, sends;
  logic [2:0] unused;
  assign en       = ~out_valid | out_ready;
  assign in_ready = en;
  assign step     = en & in_valid;

  logic [CB-1:0] c;
  assign end_c = c == CB'(CF - 1);
  always_ff @(posedge clk)
    if (rst) c <= CB'(AHEAD);
    else if (step) c <= end_c ? '0 : c + 1'b1;
  etb_counter #(.N(KW)) u_kx (
      .clk(clk), .rst(rst), .step(step & end_c), .clear(1'b0), .zero(first_x), .last(end_kx)
  );
  etb_counter #(.N(OW)) u_x (
      .clk(clk), .rst(rst), .step(step & end_c & end_kx), .clear(1'b0), .zero(unused[0]), .last(end_x)
  );
  etb_counter #(.N(KH)) u_ky (
      .clk(clk), .rst(rst), .step(step & end_c & end_kx & end_x), .clear(1'b0), .zero(first_y), .last(end_ky)
  );
  assign unused[2:1] = {1'b0, H[0]};

  // word of the partial maximum: goes back by a pixel inside a window, on at its right edge, to 0 after a row
  logic [AB-1:0] word;
  always_ff @(posedge clk)
    if (rst) word <= AB'(AHEAD);
    else if (step) begin
      if (end_c & ~end_kx) word <= word - AB'(CF - 1);
      else word <= word == AB'(WORDS - 1) ? '0 : word + 1'b1;
    end

  logic [PE*BITS-1:0] old, best;
  generate
    if (AHEAD) begin : g_ahead
      logic [AB-1:0] written;
      always_ff @(posedge clk)
        if (rst) begin
          written <= '0;
          first   <= 1'b1;
          sends   <= KW * KH == 1;
        end else if (step) begin
          written <= word;
          first   <= first_x & first_y;
          sends   <= end_kx & end_ky;
        end
      etb_ram #(
          .WIDTH(PE * BITS), .DEPTH(WORDS), .STYLE(2), .ROWS(ROWS)
      ) u_partial (
          .clk(clk), .write(step), .waddr(written), .wdata(best), .read(step), .raddr(word), .rdata(old)
      );
    end else begin : g_plain
      (* ram_style = "distributed" *) logic [PE*BITS-1:0] partial[WORDS];
      assign old   = partial[word];
      assign first = first_x & first_y;
      assign sends = end_kx & end_ky;
      always_ff @(posedge clk) if (step) partial[word] <= best;
    end
  endgenerate
  for (genvar p = 0; p < PE; p++) begin : g_pe
    logic [BITS-1:0] a, b;
    logic larger;
    assign a = in_data[p*BITS+:BITS];
    assign b = old[p*BITS+:BITS];
    assign larger = SIGNED ? $signed(a) > $signed(b) : a > b;
    assign best[p*BITS+:BITS] = first | larger ? a : b;
  end
  always_ff @(posedge clk)
    if (rst) out_valid <= 1'b0;
    else if (en) out_valid <= in_valid & sends;
  always_ff @(posedge clk) if (en) out_data <= best;
endmodule
