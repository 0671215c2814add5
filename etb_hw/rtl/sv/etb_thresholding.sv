// Stand-alone multi-threshold: y = OUT_BIAS + #{t : x >= t[channel]}, PE channels a beat, one beat a cycle.
// Threshold word f holds PE * STEPS values of T_BITS bits for channels f * PE and following. Latency: 2 cycles.
// WRITABLE = 1: they are a link of the chain from load_in to load_out (see etb_writable).
module etb_thresholding #(
    parameter int C          = 4,
    parameter int PE         = 2,
    parameter int IN_BITS    = 8,
    parameter bit IN_SIGNED  = 1,
    parameter bit IN_BIPOLAR = 0,
    parameter int T_BITS     = 9,
    parameter bit T_SIGNED   = 1,
    parameter int STEPS      = 1,
    parameter int OUT_BITS   = 1,
    parameter int OUT_BIAS   = 0,
    parameter bit WRITABLE   = 0,
    parameter     THRESHOLDS = ""
) (
    input  logic                   clk,
    input  logic                   rst,
    input  logic [PE*IN_BITS-1:0]  in_data,
    input  logic                   in_valid,
    output logic                   in_ready,
    output logic [PE*OUT_BITS-1:0] out_data,
    output logic                   out_valid,
    input  logic                   out_ready,
    input  logic [10:0]            load_in,
    output logic [10:0]            load_out
);
  localparam int CF = C / PE;
  localparam int CB = CF > 1 ? $clog2(CF) : 1;
  logic en, x_valid;
  logic [CB-1:0] c;
  logic [PE*IN_BITS-1:0] x;
  logic [PE*STEPS*T_BITS-1:0] t;
  logic [PE*OUT_BITS-1:0] y;
  assign en       = ~out_valid | out_ready;
  assign in_ready = en;
  always_ff @(posedge clk)
    if (rst) begin
      c         <= '0;
      x_valid   <= 1'b0;
      out_valid <= 1'b0;
    end else if (en) begin
      x_valid   <= in_valid;
      out_valid <= x_valid;
      if (in_valid) c <= c == CB'(CF - 1) ? '0 : c + 1'b1;
    end

  etb_memory #(
      .WRITABLE(WRITABLE), .WIDTH(PE * STEPS * T_BITS), .DEPTH(CF), .FILE(THRESHOLDS), .STYLE(2)
  ) u_thresholds (
      .clk(clk), .loading(rst), .en(en), .addr(c), .data(t), .word(t),
      .load_in(load_in), .load_out(load_out)
  );
  always_ff @(posedge clk) if (en) x <= in_data;
  for (genvar p = 0; p < PE; p++) begin : g_pe
    logic [T_BITS-1:0] value;
    etb_extend #(
        .IN_BITS(IN_BITS), .SIGNED(IN_SIGNED), .BIPOLAR(IN_BIPOLAR), .OUT_BITS(T_BITS)
    ) u_extend (
        .x(x[p*IN_BITS+:IN_BITS]), .y(value)
    );
    etb_compare #(
        .BITS(T_BITS), .SIGNED(T_SIGNED), .STEPS(STEPS), .OUT_BITS(OUT_BITS), .OUT_BIAS(OUT_BIAS)
    ) u_compare (
        .x(value), .t(t[p*STEPS*T_BITS+:STEPS*T_BITS]), .y(y[p*OUT_BITS+:OUT_BITS])
    );
  end
  always_ff @(posedge clk) if (en) out_data <= y;
endmodule
