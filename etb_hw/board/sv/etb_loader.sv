// Writes the memories of a design's chain (see etb_writable) byte by byte, and reads them back for a checksum.
//   open   the design is held in reset, and the chain stands at its first byte
//   data   the next byte, taken while it is open; those behind the last memory fall off the chain's end
//   check  all SIZE bytes are read back: `crc` is their CRC-32 (that of zip files); the design is held meanwhile
//   close  the design may run
// A request comes while the loader is not busy. What is open stays open through a reset: half of a network
// never runs.
module etb_loader #(
    parameter int SIZE = 1
) (
    input  logic        clk,
    input  logic        rst,
    input  logic        open,
    input  logic        check,
    input  logic        close,
    input  logic [7:0]  data,
    input  logic        valid,
    output logic        hold,
    output logic        opened,
    output logic        busy,
    output logic [31:0] crc,
    output logic [10:0] load_out,
    input  logic [10:0] load_in
);
  localparam int CW = $clog2(SIZE + 1);
  localparam logic [1:0] IDLE = 0, SETTLE = 1, REWIND = 2, READ = 3;
  logic [1:0] state;
  logic [3:0] settled;
  logic [CW-1:0] asked, came;
  logic checking, closing;
  logic [31:0] sum;
  logic returned;
  assign returned = load_in[10:9] == 2'd1;
  assign busy     = state != IDLE;
  assign crc      = ~sum;

  function automatic [31:0] crc_of(input [31:0] start, input [7:0] given);
    crc_of = start ^ {24'b0, given};
    for (int i = 0; i < 8; i++) crc_of = crc_of[0] ? (crc_of >> 1) ^ 32'hEDB88320 : crc_of >> 1;
  endfunction

  initial opened = 1'b0;
  always @(posedge clk) begin  // no always_ff, as it changes what is set there
    hold     <= opened || busy || open || check;
    load_out <= '0;
    unique case (state)
      IDLE: begin
        settled <= '0;
        if (open || check || close) begin
          checking <= check;
          closing  <= close;
          state    <= SETTLE;
          if (open) opened <= 1'b1;
        end else if (valid && opened) load_out <= {2'd2, 1'b0, data};
      end
      SETTLE: begin  // until the reset has reached every block
        settled <= settled + 1'b1;
        if (settled == '1) begin
          load_out <= {2'd1, 9'b0};
          state    <= REWIND;
        end
      end
      REWIND: begin
        asked <= '0;
        came  <= '0;
        sum   <= '1;
        if (returned) begin
          state <= checking ? READ : IDLE;
          if (closing) opened <= 1'b0;
        end
      end
      READ: begin
        if (asked != CW'(SIZE)) begin
          asked    <= asked + 1'b1;
          load_out <= {2'd3, 9'b0};
        end
        if (load_in[10:9] == 2'd3) begin
          came <= came + 1'b1;
          sum  <= crc_of(sum, load_in[7:0]);
          if (came == CW'(SIZE - 1)) state <= IDLE;
        end
      end
      default: state <= IDLE;
    endcase
    if (rst) begin
      state    <= IDLE;
      load_out <= '0;
    end
  end
  logic unused;
  assign unused = &{1'b0, load_in[8]};
endmodule
