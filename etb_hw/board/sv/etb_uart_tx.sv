// Bytes to a serial line (8N1).
module etb_uart_tx #(
    parameter int CLOCKS = 16  // a bit
) (
    input  logic       clk,
    input  logic       rst,
    input  logic [7:0] data,
    input  logic       valid,
    output logic       ready,
    output logic       line
);
  localparam int CW = $clog2(CLOCKS);
  logic [9:0] shift;
  logic [3:0] number;
  logic [CW-1:0] left;
  assign ready = number == '0;
  assign line  = shift[0];
  always_ff @(posedge clk)
    if (rst) begin
      shift  <= '1;
      number <= '0;
      left   <= '0;
    end else if (ready) begin
      left <= CW'(CLOCKS - 1);
      if (valid) begin
        shift  <= {1'b1, data, 1'b0};
        number <= 4'd10;
      end
    end else if (left != '0) left <= left - 1'b1;
    else begin
      left   <= CW'(CLOCKS - 1);
      shift  <= {1'b1, shift[9:1]};
      number <= number - 1'b1;
    end
endmodule
