// One constant a channel, added or (MULTIPLY) multiplied: PE channels a beat, one beat a cycle.
// Parameter word f holds PE values of P_BITS bits for channels f * PE and following. Latency: 2 cycles.
// SHIFT: all constants are this power of two, and multiply; 0 for any others.
// WRITABLE = 1: they are a link of the chain from load_in to load_out (see etb_writable).
module etb_channelwise #(
    parameter int C          = 4,
    parameter int PE         = 2,
    parameter bit MULTIPLY   = 0,
    parameter int IN_BITS    = 8,
    parameter bit IN_SIGNED  = 1,
    parameter bit IN_BIPOLAR = 0,
    parameter int P_BITS     = 4,
    parameter bit P_SIGNED   = 1,
    parameter int OUT_BITS   = 12,
    parameter int SHIFT      = 0,
    parameter bit WRITABLE   = 0,
    parameter     PARAMETERS = ""
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
  logic [PE*P_BITS-1:0] k;
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
      .WRITABLE(WRITABLE), .WIDTH(PE * P_BITS), .DEPTH(CF), .FILE(PARAMETERS), .STYLE(2)
  ) u_parameters (
      .clk(clk), .loading(rst), .en(en), .addr(c), .data(k), .word(k), .load_in(load_in), .load_out(load_out)
  );
  always_ff @(posedge clk) if (en) x <= in_data;
  for (genvar p = 0; p < PE; p++) begin : g_pe
    logic signed [OUT_BITS-1:0] a, b;
    etb_extend #(
        .IN_BITS(IN_BITS), .SIGNED(IN_SIGNED), .BIPOLAR(IN_BIPOLAR), .OUT_BITS(OUT_BITS)
    ) u_x (
        .x(x[p*IN_BITS+:IN_BITS]), .y(a)
    );
    etb_extend #(
        .IN_BITS(P_BITS), .SIGNED(P_SIGNED), .OUT_BITS(OUT_BITS)
    ) u_k (
        .x(k[p*P_BITS+:P_BITS]), .y(b)
    );
    assign y[p*OUT_BITS+:OUT_BITS] = SHIFT > 0 ? a <<< SHIFT : MULTIPLY ? a * b : a + b;
  end
  always_ff @(posedge clk) if (en) out_data <= y;
endmodule
