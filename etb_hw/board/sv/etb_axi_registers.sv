// An AXI4-Lite slave with the registers of an accelerator; 32 bits each, by byte address:
//   00 identity: "ETB1"                 04, 08 build, low and high word
//   0C control: bit 0 start, bit 1 soft reset (clears itself), bit 2 free: TLAST is counted and changes nothing
//   10 status: bit 0 idle, bit 1 in reset
//   14 packet: frames from one TLAST to the next (1 to 65535, 1 after reset; written only where all is idle)
//   18 frames in                        1C frames out
//   20 cycles in which input waited for the design   24 cycles in which output waited for its reader
//   28 packets that ended early         2C packets without an end          30 words with a part of their bytes
//   34 cycles in which the accelerator was not idle
//   38, 3C bytes of a frame on the bus, in and out
// and where the design's weights are writable (LOAD_BYTES of them; see etb_loader):
//   40 load: write bit 0 open, bit 1 check, bit 2 close, one of them; read bit 0 opened, bit 1 busy
//   44 the next four bytes, the low one first (all four strobes)
//   48 CRC-32 of the last check         4C LOAD_BYTES
// The design is in reset while they are open: a soft reset is due after they are closed.
// A soft reset brings everything but this interface to its state after reset, counts and control included: what
// feeds the streams is to be stopped before. Counts wrap. Writes to other addresses are ignored, reads give 0.
module etb_axi_registers #(
    parameter logic [63:0] BUILD = '0,
    parameter int IN_SIZE = 1,
    parameter int OUT_SIZE = 1,
    parameter int LOAD_BYTES = 0
) (
    input  logic        clk,
    input  logic        rst,
    input  logic [6:0]  awaddr,
    input  logic        awvalid,
    output logic        awready,
    input  logic [31:0] wdata,
    input  logic [3:0]  wstrb,
    input  logic        wvalid,
    output logic        wready,
    output logic [1:0]  bresp,
    output logic        bvalid,
    input  logic        bready,
    input  logic [6:0]  araddr,
    input  logic        arvalid,
    output logic        arready,
    output logic [31:0] rdata,
    output logic [1:0]  rresp,
    output logic        rvalid,
    input  logic        rready,
    output logic        core_rst,
    output logic        start,
    output logic        free,
    output logic [15:0] packet,
    input  logic        between,
    input  logic        out_valid,
    input  logic        in_waits,
    input  logic        out_waits,
    input  logic        frame_in,
    input  logic        frame_out,
    input  logic        ended_early,
    input  logic        no_end,
    input  logic        odd_keep,
    output logic [10:0] load_out,
    input  logic [10:0] load_in
);
  localparam logic [31:0] IDENTITY = 32'h45544231;
  logic [31:0] frames_in, frames_out, stalls_in, stalls_out, early, endless, odd, busy;
  logic [3:0] resetting;
  logic idle;
  assign idle  = between && !out_valid && frames_in == frames_out;
  assign bresp = 2'b00;
  assign rresp = 2'b00;

  logic [4:0] to;
  logic [31:0] value;
  logic [3:0] strobe;
  logic address_held, value_held, write, sending;
  assign awready = !address_held && !rst;
  assign wready  = !value_held && !rst;
  assign arready = !rvalid && !rst;
  assign write   = address_held && value_held && !bvalid && !sending;

  logic unused;
  assign unused = &{1'b0, awaddr[1:0], araddr[1:0]};

  // -- writable weights
  logic load_hold, load_opened, load_busy, load_open, load_check, load_close;
  logic [31:0] load_crc, load_word;
  logic [2:0] load_left;  // bytes of the word
  assign sending = load_left != '0 || load_open || load_check || load_close;
  if (LOAD_BYTES > 0) begin : g_load
    etb_loader #(.SIZE(LOAD_BYTES)) u_loader (
        .clk, .rst, .open(load_open), .check(load_check), .close(load_close),
        .data(load_word[7:0]), .valid(load_left != '0),
        .hold(load_hold), .opened(load_opened), .busy(load_busy), .crc(load_crc), .load_out, .load_in
    );
    always_ff @(posedge clk) begin
      load_open  <= 1'b0;
      load_check <= 1'b0;
      load_close <= 1'b0;
      if (load_left != '0) begin
        load_left <= load_left - 1'b1;
        load_word <= load_word >> 8;
      end
      if (write && to == 5'h10 && strobe[0] && !load_busy) begin
        load_open  <= value[2:0] == 3'd1;
        load_check <= value[2:0] == 3'd2;
        load_close <= value[2:0] == 3'd4;
      end
      if (write && to == 5'h11 && strobe == '1 && !load_busy) begin
        load_left <= 3'd4;
        load_word <= value;
      end
      if (rst) begin
        load_left  <= '0;
        load_open  <= 1'b0;
        load_check <= 1'b0;
        load_close <= 1'b0;
      end
    end
  end else begin : g_fixed
    assign load_hold = 1'b0;
    assign load_opened = 1'b0;
    assign load_busy = 1'b0;
    assign load_open = 1'b0;
    assign load_check = 1'b0;
    assign load_close = 1'b0;
    assign load_left = '0;
    assign load_word = '0;
    assign load_crc = '0;
    assign load_out = '0;
    logic unused_load;
    assign unused_load = &{1'b0, load_in, load_word, strobe[3:2], value[31:16]};
  end

  logic [31:0] found;
  always_comb
    unique case (araddr[6:2])
      5'h00:   found = IDENTITY;
      5'h01:   found = BUILD[31:0];
      5'h02:   found = BUILD[63:32];
      5'h03:   found = {29'b0, free, 1'b0, start};
      5'h04:   found = {30'b0, core_rst, idle && !core_rst};
      5'h05:   found = {16'b0, packet};
      5'h06:   found = frames_in;
      5'h07:   found = frames_out;
      5'h08:   found = stalls_in;
      5'h09:   found = stalls_out;
      5'h0A:   found = early;
      5'h0B:   found = endless;
      5'h0C:   found = odd;
      5'h0D:   found = busy;
      5'h0E:   found = 32'(IN_SIZE);
      5'h0F:   found = 32'(OUT_SIZE);
      5'h10:   found = {30'b0, load_busy || sending, load_opened};
      5'h12:   found = load_crc;
      5'h13:   found = 32'(LOAD_BYTES);
      default: found = '0;
    endcase

  always_ff @(posedge clk) begin
    if (awvalid && awready) begin
      to           <= awaddr[6:2];
      address_held <= 1'b1;
    end
    if (wvalid && wready) begin
      value      <= wdata;
      strobe     <= wstrb;
      value_held <= 1'b1;
    end
    if (bready) bvalid <= 1'b0;
    if (write) begin
      address_held <= 1'b0;
      value_held   <= 1'b0;
      bvalid       <= 1'b1;
    end
    if (rready) rvalid <= 1'b0;
    if (arvalid && arready) begin
      rdata  <= found;
      rvalid <= 1'b1;
    end

    core_rst <= rst || resetting != '0 || load_hold;
    if (resetting != '0) resetting <= resetting - 1'b1;
    frames_in  <= frames_in + 32'(frame_in);
    frames_out <= frames_out + 32'(frame_out);
    stalls_in  <= stalls_in + 32'(in_waits);
    stalls_out <= stalls_out + 32'(out_waits);
    early      <= early + 32'(ended_early);
    endless    <= endless + 32'(no_end);
    odd        <= odd + 32'(odd_keep);
    busy       <= busy + 32'(!idle);
    if (write && to == 5'h03 && strobe[0]) begin
      start <= value[0];
      free  <= value[2];
      if (value[1]) resetting <= '1;
    end
    if (write && to == 5'h05 && idle && strobe[1:0] == '1) packet <= value[15:0] == '0 ? 16'd1 : value[15:0];
    if (rst || resetting != '0) begin
      start      <= 1'b0;
      free       <= 1'b0;
      packet     <= 16'd1;
      frames_in  <= '0;
      frames_out <= '0;
      stalls_in  <= '0;
      stalls_out <= '0;
      early      <= '0;
      endless    <= '0;
      odd        <= '0;
      busy       <= '0;
    end
    if (rst) begin
      address_held <= 1'b0;
      value_held   <= 1'b0;
      bvalid       <= 1'b0;
      rvalid       <= 1'b0;
      resetting    <= '0;
      core_rst     <= 1'b1;
    end
  end
endmodule
