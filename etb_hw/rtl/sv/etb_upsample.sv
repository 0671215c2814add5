// Every pixel FY times down and FX times across: (H, W, C) in, (H * FY, W * FX, C) out, SIMD channels a beat.
// A beat leaves every cycle; the input waits while pixels are sent again. A row is kept (a pixel where FY is 1).
module etb_upsample #(
    parameter int W    = 4,
    parameter int C    = 4,
    parameter int SIMD = 2,
    parameter int BITS = 1,
    parameter int FY   = 2,
    parameter int FX   = 2
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
  localparam int WORDS = (FY > 1 ? W : 1) * CF;
  localparam int AB = WORDS > 1 ? $clog2(WORDS) : 1;
  logic en, step, first, first_x, first_y, end_c, end_kx, end_x;
  logic [2:0] unused;
  assign first    = first_x & first_y;  // whether this beat comes from the input
  assign en       = ~out_valid | out_ready;
  assign in_ready = en & first;
  assign step     = en & (~first | in_valid);

  etb_counter #(.N(CF)) u_c (
      .clk(clk), .rst(rst), .step(step), .clear(1'b0), .zero(unused[0]), .last(end_c)
  );
  etb_counter #(.N(FX)) u_kx (
      .clk(clk), .rst(rst), .step(step & end_c), .clear(1'b0), .zero(first_x), .last(end_kx)
  );
  etb_counter #(.N(W)) u_x (
      .clk(clk), .rst(rst), .step(step & end_c & end_kx), .clear(1'b0), .zero(unused[1]), .last(end_x)
  );
  etb_counter #(.N(FY)) u_ky (
      .clk(clk), .rst(rst), .step(step & end_c & end_kx & end_x), .clear(1'b0), .zero(first_y), .last(unused[2])
  );

  // word that is kept: goes back by a pixel that is sent again, on behind it, to 0 after a row
  logic [AB-1:0] word;
  always_ff @(posedge clk)
    if (rst) word <= '0;
    else if (step) begin
      if (end_c & ~end_kx) word <= word - AB'(CF - 1);
      else word <= word == AB'(WORDS - 1) ? '0 : word + 1'b1;
    end
  (* ram_style = "distributed" *) logic [SIMD*BITS-1:0] kept[WORDS];
  always_ff @(posedge clk) if (step & first) kept[word] <= in_data;

  always_ff @(posedge clk)
    if (rst) out_valid <= 1'b0;
    else if (en) out_valid <= step;
  always_ff @(posedge clk) if (en) out_data <= first ? in_data : kept[word];
endmodule
