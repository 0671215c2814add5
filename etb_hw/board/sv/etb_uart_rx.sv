// Bytes from a serial line (8N1), each bit sampled in its middle. A byte without a stop bit is dropped.
module etb_uart_rx #(
    parameter int CLOCKS = 16  // a bit
) (
    input  logic       clk,
    input  logic       rst,
    input  logic       line,
    output logic [7:0] data,
    output logic       valid
);
  localparam int CW = $clog2(CLOCKS);
  logic [2:0] seen;  // the line belongs to another clock
  logic [CW-1:0] left;
  logic [3:0] number;
  logic busy;
  always_ff @(posedge clk) begin
    seen  <= {seen[1:0], line};
    valid <= 1'b0;
    if (rst) begin
      seen <= '1;
      busy <= 1'b0;
    end else if (!busy) begin
      number <= '0;
      left   <= CW'(CLOCKS / 2 - 1);
      busy   <= ~seen[2];
    end else if (left != '0) left <= left - 1'b1;
    else begin
      left   <= CW'(CLOCKS - 1);
      number <= number + 1'b1;
      if (number == 4'd0) busy <= ~seen[2];  // the start bit was noise
      else if (number == 4'd9) begin
        busy  <= 1'b0;
        valid <= seen[2];
      end else data <= {seen[2], data[7:1]};
    end
  end
endmodule
