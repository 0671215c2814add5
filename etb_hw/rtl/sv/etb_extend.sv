// A value of a stream as a wider (or, wrapping, narrower) two's-complement number; a bipolar bit as -1 or +1.
module etb_extend #(
    parameter int IN_BITS  = 1,
    parameter bit SIGNED   = 0,
    parameter bit BIPOLAR  = 0,
    parameter int OUT_BITS = 4
) (
    input  logic [IN_BITS-1:0]  x,
    output logic [OUT_BITS-1:0] y
);
  generate
    if (BIPOLAR) begin : g_bipolar
      assign y = {{(OUT_BITS - 1) {~x[0]}}, 1'b1};
    end else if (OUT_BITS > IN_BITS) begin : g_extend
      logic top;  // a net of one bit: some simulators take a typed parameter in a concatenation as 32 bits
      assign top = SIGNED ? x[IN_BITS-1] : 1'b0;
      assign y = {{(OUT_BITS - IN_BITS) {top}}, x};
    end else begin : g_wrap
      assign y = x[OUT_BITS-1:0];
      if (IN_BITS > OUT_BITS) begin : g_unused
        logic unused;
        assign unused = &{1'b0, x[IN_BITS-1:OUT_BITS]};
      end
    end
  endgenerate
endmodule
