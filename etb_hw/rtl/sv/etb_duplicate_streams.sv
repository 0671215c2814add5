// One stream to COPIES equal ones, side by side in the ports. A copy that is taken early waits for the others.
module etb_duplicate_streams #(
    parameter int WIDTH  = 8,
    parameter int COPIES = 2
) (
    input  logic                    clk,
    input  logic                    rst,
    input  logic [WIDTH-1:0]        in_data,
    input  logic                    in_valid,
    output logic                    in_ready,
    output logic [COPIES*WIDTH-1:0] out_data,
    output logic [COPIES-1:0]       out_valid,
    input  logic [COPIES-1:0]       out_ready
);
  logic [COPIES-1:0] taken;
  assign out_data  = {COPIES{in_data}};
  assign out_valid = {COPIES{in_valid}} & ~taken;
  assign in_ready  = &(taken | out_ready);
  always_ff @(posedge clk)
    if (rst) taken <= '0;
    else if (in_valid) taken <= in_ready ? '0 : taken | out_ready;
endmodule
