// Packets of an AXI-Stream to the frames of a design.
//
// A frame has BEATS beats whatever TLAST says, so that the design never loses the beginning of a frame. A packet
// of `packet` frames is expected to end with TLAST; where it does not, that is counted:
//   ended early    what is missing is filled with zeros
//   does not end   what follows is dropped, up to its TLAST
// so that every packet gives `packet` frames, and the next one is right. With `free`, TLAST is counted and changes
// nothing. A beat of the design travels in WORDS words of the bus, the first bytes first. Words of which TKEEP
// leaves nothing carry nothing; where it leaves a part, that is counted, and the bytes left out are zero.
module etb_frames_in #(
    parameter int BUS_BYTES = 1,
    parameter int WORDS = 1,
    parameter int BEAT_BITS = 8,
    parameter int BEATS = 4
) (
    input  logic                   clk,
    input  logic                   rst,
    input  logic                   start,
    input  logic                   free,
    input  logic [15:0]            packet,
    input  logic [8*BUS_BYTES-1:0] tdata,
    input  logic [BUS_BYTES-1:0]   tkeep,
    input  logic                   tlast,
    input  logic                   tvalid,
    output logic                   tready,
    output logic [BEAT_BITS-1:0]   data,
    output logic                   valid,
    input  logic                   ready,
    output logic                   between,  // no packet has begun
    output logic                   frame,  // pulses: a frame is in, and what is counted
    output logic                   ended_early,
    output logic                   no_end,
    output logic                   odd_keep
);
  localparam int SIZE = 8 * BUS_BYTES;
  localparam int WW = WORDS > 1 ? $clog2(WORDS) : 1;
  localparam int BW = BEATS > 1 ? $clog2(BEATS) : 1;
  localparam logic [1:0] TAKE = 0, FILL = 1, DROP = 2;
  logic [1:0] state;
  logic [WW-1:0] word;
  logic [BW-1:0] beat;
  logic [15:0] number;  // frame of the packet

  logic room, taken, step, empty, last_word, last_beat, last;
  logic [SIZE-1:0] given;
  assign room      = !valid || ready;
  assign between   = state == TAKE && word == '0 && beat == '0 && number == '0;
  assign tready    = !rst && (state == DROP || (state == TAKE && room && (start || !between)));
  assign taken     = tvalid && tready && state == TAKE;
  assign empty     = tkeep == '0;
  assign step      = (taken && !empty) || (state == FILL && room);  // one word nearer to the end
  assign last_word = word == WW'(WORDS - 1);
  assign last_beat = last_word && beat == BW'(BEATS - 1);
  assign last      = last_beat && number + 16'd1 >= packet;
  assign frame       = step && last_beat;
  assign ended_early = taken && tlast && (empty ? !between : !last);
  assign no_end      = taken && !empty && last && !tlast;
  assign odd_keep    = taken && (empty ? tlast && between : tkeep != '1);

  always_comb
    for (int i = 0; i < BUS_BYTES; i++)
      given[8*i+:8] = state == TAKE && tkeep[i] ? tdata[8*i+:8] : 8'h00;

  // the words of a beat before its last one
  logic [SIZE*WORDS-1:0] whole;
  if (WORDS > 1) begin : g_gather
    logic [SIZE*(WORDS-1)-1:0] kept;
    always_ff @(posedge clk) if (step) kept <= (SIZE * (WORDS - 1))'({given, kept} >> SIZE);
    assign whole = {given, kept};
  end else begin : g_one
    assign whole = given;
  end
  if (SIZE * WORDS > BEAT_BITS) begin : g_unused
    logic unused;
    assign unused = &{1'b0, whole[SIZE*WORDS-1:BEAT_BITS]};
  end

  always_ff @(posedge clk) begin
    if (ready) valid <= 1'b0;
    if (step) begin
      word <= last_word ? '0 : word + 1'b1;
      if (last_word) begin
        data  <= whole[BEAT_BITS-1:0];
        valid <= 1'b1;
        beat  <= last_beat ? '0 : beat + 1'b1;
      end
      if (last_beat) number <= last ? '0 : number + 16'd1;
      if (last && state == FILL) state <= TAKE;
    end
    if (ended_early && !free) state <= FILL;
    if (no_end && !free) state <= DROP;
    if (state == DROP && tvalid && tlast) state <= TAKE;
    if (rst) begin
      state  <= TAKE;
      valid  <= 1'b0;
      word   <= '0;
      beat   <= '0;
      number <= '0;
    end
  end
endmodule
