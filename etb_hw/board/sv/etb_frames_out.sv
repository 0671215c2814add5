// The frames of a design to packets of an AXI-Stream: `packet` frames each, TLAST with the last word.
// A beat travels in WORDS words of the bus, the first bytes first; all bytes are kept, those above the beat are zero.
module etb_frames_out #(
    parameter int BUS_BYTES = 1,
    parameter int WORDS = 1,
    parameter int BEAT_BITS = 8,
    parameter int BEATS = 4
) (
    input  logic                   clk,
    input  logic                   rst,
    input  logic [15:0]            packet,
    input  logic [BEAT_BITS-1:0]   data,
    input  logic                   valid,
    output logic                   ready,
    output logic [8*BUS_BYTES-1:0] tdata,
    output logic [BUS_BYTES-1:0]   tkeep,
    output logic                   tlast,
    output logic                   tvalid,
    input  logic                   tready,
    output logic                   frame  // pulses: a frame is out
);
  localparam int SIZE = 8 * BUS_BYTES;
  localparam int WW = WORDS > 1 ? $clog2(WORDS) : 1;
  localparam int BW = BEATS > 1 ? $clog2(BEATS) : 1;
  logic [SIZE*WORDS-1:0] held;
  logic [WW-1:0] word;
  logic [BW-1:0] beat;
  logic [15:0] number;

  logic given, last_word, last_beat, last;
  assign given     = tvalid && tready;
  assign last_word = word == WW'(WORDS - 1);
  assign last_beat = last_word && beat == BW'(BEATS - 1);
  assign last      = last_beat && number + 16'd1 >= packet;
  assign ready     = !rst && (!tvalid || (tready && last_word));
  assign tdata     = held[SIZE-1:0];
  assign tkeep     = '1;
  assign tlast     = last;
  assign frame     = given && last_beat;

  always_ff @(posedge clk) begin
    if (given) begin
      held <= held >> SIZE;
      word <= last_word ? '0 : word + 1'b1;
      if (last_word) begin
        tvalid <= 1'b0;
        beat   <= last_beat ? '0 : beat + 1'b1;
      end
      if (last_beat) number <= last ? '0 : number + 16'd1;
    end
    if (valid && ready) begin
      held   <= (SIZE * WORDS)'(data);
      tvalid <= 1'b1;
    end
    if (rst) begin
      tvalid <= 1'b0;
      word   <= '0;
      beat   <= '0;
      number <= '0;
    end
  end
endmodule
