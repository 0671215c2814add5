// Joins narrow beats to wide ones, or splits wide ones; the first beat sits in the least significant bits.
// The narrow side moves every cycle. Where neither width divides the other, beats pass through the least
// common multiple.
module etb_width_converter #(
    parameter int IN_WIDTH  = 4,
    parameter int OUT_WIDTH = 8
) (
    input  logic                 clk,
    input  logic                 rst,
    input  logic [IN_WIDTH-1:0]  in_data,
    input  logic                 in_valid,
    output logic                 in_ready,
    output logic [OUT_WIDTH-1:0] out_data,
    output logic                 out_valid,
    input  logic                 out_ready
);
  function automatic int lcm(input int a, input int b);
    int x, y, r;
    x = a;
    y = b;
    for (int i = 0; i < 32; i++) begin
      if (y != 0) begin
        r = x % y;
        x = y;
        y = r;
      end
    end
    lcm = a / x * b;
  endfunction
  localparam int BETWEEN = lcm(IN_WIDTH, OUT_WIDTH);

  generate
    if (IN_WIDTH == OUT_WIDTH) begin : g_wire
      assign out_data  = in_data;
      assign out_valid = in_valid;
      assign in_ready  = out_ready;
      logic unused;
      assign unused = &{1'b0, clk, rst};
    end else if (BETWEEN == OUT_WIDTH) begin : g_join
      localparam int N = OUT_WIDTH / IN_WIDTH;
      logic last, unused, step;
      assign in_ready = ~out_valid | out_ready;
      assign step     = in_valid & in_ready;
      etb_counter #(.N(N)) u_count (
          .clk(clk), .rst(rst), .step(step), .clear(1'b0), .zero(unused), .last(last)
      );
      always_ff @(posedge clk)
        if (rst) out_valid <= 1'b0;
        else if (in_ready) out_valid <= in_valid & last;
      always_ff @(posedge clk) if (step) out_data <= {in_data, out_data[OUT_WIDTH-1:IN_WIDTH]};
    end else if (BETWEEN == IN_WIDTH) begin : g_split
      localparam int N = IN_WIDTH / OUT_WIDTH;
      logic [IN_WIDTH-1:0] rest;
      logic last, unused, step;
      assign step     = out_valid & out_ready;
      assign in_ready = ~out_valid | (out_ready & last);
      assign out_data = rest[OUT_WIDTH-1:0];
      etb_counter #(.N(N)) u_count (
          .clk(clk), .rst(rst), .step(step), .clear(1'b0), .zero(unused), .last(last)
      );
      always_ff @(posedge clk)
        if (rst) out_valid <= 1'b0;
        else if (in_ready) out_valid <= in_valid;
      always_ff @(posedge clk)
        if (in_ready) rest <= in_data;
        else if (step) rest <= {rest[IN_WIDTH-1-:OUT_WIDTH], rest[IN_WIDTH-1:OUT_WIDTH]};
    end else begin : g_both
      logic [BETWEEN-1:0] joined, kept;
      logic joined_valid, joined_ready, kept_valid, kept_ready;
      etb_width_converter #(.IN_WIDTH(IN_WIDTH), .OUT_WIDTH(BETWEEN)) u_join (
          .clk(clk), .rst(rst), .in_data(in_data), .in_valid(in_valid), .in_ready(in_ready),
          .out_data(joined), .out_valid(joined_valid), .out_ready(joined_ready)
      );
      // the two run at rates that fit only on average
      etb_fifo #(.WIDTH(BETWEEN), .DEPTH(2)) u_between (
          .clk(clk), .rst(rst), .in_data(joined), .in_valid(joined_valid), .in_ready(joined_ready),
          .out_data(kept), .out_valid(kept_valid), .out_ready(kept_ready)
      );
      etb_width_converter #(.IN_WIDTH(BETWEEN), .OUT_WIDTH(OUT_WIDTH)) u_split (
          .clk(clk), .rst(rst), .in_data(kept), .in_valid(kept_valid), .in_ready(kept_ready),
          .out_data(out_data), .out_valid(out_valid), .out_ready(out_ready)
      );
    end
  endgenerate
endmodule
