// Xilinx 7-series block RAM as read-only memory: port A of UG473, without the output register. Yosys knows these
// cells by their ports only. What else they can do stops the simulation.
module etb_ramb_read #(
    parameter int BITS  = 16384,  // of data; one bit of parity for eight
    parameter int WIDTH = 18,
    parameter int AB    = 14,
    parameter     DATA  = '0,
    parameter     PARITY = '0
) (
    input  logic          clk,
    input  logic          en,
    input  logic [AB-1:0] addr,  // counts single bits of data
    output logic [  31:0] data,
    output logic [   3:0] parity
);
  localparam int D = WIDTH >= 9 ? WIDTH / 9 * 8 : WIDTH;
  localparam int P = WIDTH - D;
  localparam logic [BITS-1:0] CONTENT = DATA;
  localparam logic [BITS/8-1:0] CHECK = PARITY;
  logic [AB-1:0] word;
  assign word = addr >> $clog2(D);
  always_ff @(posedge clk)
    if (en) begin
      data   <= '0;
      parity <= '0;
      for (int i = 0; i < D; i++) data[i] <= CONTENT[int'(word)*D+i];
      for (int i = 0; i < P; i++) parity[i] <= CHECK[int'(word)*P+i];
    end
endmodule
