// Multi-threshold of one value, combinational: y = OUT_BIAS + #{t : x >= t}, in OUT_BITS bits.
// Value and thresholds have the same type of BITS bits.
module etb_compare #(
    parameter int BITS     = 8,
    parameter bit SIGNED   = 1,
    parameter int STEPS    = 1,
    parameter int OUT_BITS = 1,
    parameter int OUT_BIAS = 0
) (
    input  logic [BITS-1:0]       x,
    input  logic [STEPS*BITS-1:0] t,
    output logic [OUT_BITS-1:0]   y
);
  // flipping the sign bit turns a signed comparison into an unsigned one
  localparam logic [BITS-1:0] FLIP = {SIGNED, {(BITS - 1) {1'b0}}};

  logic [STEPS-1:0] reached;
  for (genvar i = 0; i < STEPS; i++) begin : g_step
    assign reached[i] = (x ^ FLIP) >= (t[i*BITS+:BITS] ^ FLIP);
  end

  always_comb begin
    y = OUT_BITS'(OUT_BIAS);
    for (int i = 0; i < STEPS; i++) y = y + OUT_BITS'(reached[i]);
  end
endmodule
