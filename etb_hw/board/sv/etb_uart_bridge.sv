// A host on a serial line in front of an accelerator with AXI-Streams.
//
// Request: A5, command, sequence number, payload, CRC. Reply: 5A, status, the same number, payload, CRC.
// The CRC is CCITT's (polynomial 1021, start FFFF, high byte first) over all between the first byte and itself.
//   command 1  infer: a frame, IN_BEATS beats of IN_BYTES bytes, low byte first. Reply: the frame that comes out.
//   command 2  info: no payload. Reply: build (8), frames (4), CRC errors, timeouts, unknown commands, frames
//              that never came out (2 each), cycles of the last frame (4), all low byte first.
//   command 3  reset: the accelerator, and all counts. No payload either way.
// Where the design's weights are writable (LOAD_BYTES of them; see etb_loader):
//   command 4  write: IN_BEATS * IN_BYTES bytes of them; the sequence number counts these packets from 0 after 5,
//              and one that comes twice is written once.
//   command 5  open; 6 check, reply: their CRC-32 (4, low byte first); 7 close.
//   status     1 to 7: done. 81: wrong CRC. 82: the packet stopped. 83: unknown command. 84: no answer within
//              LIMIT cycles, the accelerator was reset. 85: weights that are not the next, or not opened.
//              86: no frame was taken, since the weights are open.
// A frame enters the accelerator only after its CRC was right, so that nothing half can get stuck in it.
// One request at a time; what comes before the reply is dropped, and so is everything before an A5.
module etb_uart_bridge #(
    parameter int CLOCKS = 16,  // a bit on the line
    parameter int IN_BYTES = 1,
    parameter int IN_BEATS = 4,
    parameter int OUT_BYTES = 1,
    parameter int OUT_BEATS = 1,
    parameter logic [63:0] BUILD = '0,
    parameter int TIMEOUT = 1 << 20,  // cycles from a byte of a packet to the next
    parameter int LIMIT = 1 << 24,  // cycles from the first beat in to the last beat out
    parameter int LOAD_BYTES = 0
) (
    input  logic                   clk,
    input  logic                   rst,
    input  logic                   rx,
    output logic                   tx,
    output logic                   core_rst,
    output logic [8*IN_BYTES-1:0]  s_data,
    output logic                   s_valid,
    input  logic                   s_ready,
    input  logic [8*OUT_BYTES-1:0] m_data,
    input  logic                   m_valid,
    output logic                   m_ready,
    output logic [10:0]            load_out,
    input  logic [10:0]            load_in,
    output logic [1:0]             led
);
  localparam int IN_SIZE = IN_BYTES * IN_BEATS;
  localparam int OUT_SIZE = OUT_BYTES * OUT_BEATS;
  localparam int INFO_SIZE = 24;
  localparam int LARGEST = OUT_SIZE > INFO_SIZE ? OUT_SIZE : INFO_SIZE;
  localparam int IW = $clog2(IN_SIZE + 1);
  localparam int OW = $clog2(OUT_SIZE + 1);
  localparam int RW = $clog2(LARGEST + 6);
  localparam int LW = $clog2((TIMEOUT > LIMIT ? TIMEOUT : LIMIT) + 1);

  // plain constants: not every tool reads an enumeration's type here
  localparam logic [3:0] HUNT = 0, COMMAND = 1, NUMBER = 2, PAYLOAD = 3, CRC_HIGH = 4, CRC_LOW = 5;
  localparam logic [3:0] RUN = 6, REPLY_READ = 7, REPLY_WAIT = 8, REPLY_SEND = 9, LOAD = 10, LOADER = 11;
  logic [3:0] state;

  function automatic [15:0] crc_of(input logic [15:0] start, input logic [7:0] data);
    crc_of = start ^ {data, 8'h00};
    for (int i = 0; i < 8; i++)
      crc_of = crc_of[15] ? {crc_of[14:0], 1'b0} ^ 16'h1021 : {crc_of[14:0], 1'b0};
  endfunction

  logic [7:0] byte_in, byte_out;
  logic in_valid, out_valid, out_ready;
  etb_uart_rx #(.CLOCKS(CLOCKS)) u_rx (.clk, .rst, .line(rx), .data(byte_in), .valid(in_valid));
  etb_uart_tx #(.CLOCKS(CLOCKS)) u_tx (
      .clk, .rst, .data(byte_out), .valid(out_valid), .ready(out_ready), .line(tx)
  );

  // -- the packet
  logic [7:0] command, number, status;
  logic [15:0] crc;
  logic crc_high_right;
  logic [IW-1:0] stored;
  logic [LW-1:0] waited;
  logic [RW-1:0] place, last;  // byte of the reply, and its last one
  logic [3:0] resetting;

  // -- counts
  logic [31:0] frames, cycles;
  logic [15:0] crc_errors, timeouts, unknown, lost;
  logic [8*INFO_SIZE-1:0] info;
  assign info = {cycles, lost, unknown, timeouts, crc_errors, frames, BUILD};
  assign led  = {crc_errors != '0 || timeouts != '0 || unknown != '0 || lost != '0, frames[0]};

  // -- writable weights
  logic load_hold, load_opened, load_busy, load_open, load_check, load_close, load_valid;
  logic [31:0] load_crc;
  logic [7:0] load_number;
  if (LOAD_BYTES > 0) begin : g_load
    etb_loader #(.SIZE(LOAD_BYTES)) u_loader (
        .clk, .rst, .open(load_open), .check(load_check), .close(load_close),
        .data(frame_byte), .valid(load_valid),
        .hold(load_hold), .opened(load_opened), .busy(load_busy), .crc(load_crc), .load_out, .load_in
    );
  end else begin : g_fixed
    assign load_hold = 1'b0;
    assign load_opened = 1'b0;
    assign load_busy = 1'b0;
    assign load_crc = '0;
    assign load_out = '0;
    logic unused;
    assign unused = &{1'b0, load_in, load_open, load_check, load_close, load_valid};
  end
  localparam logic [7:0] LAST_COMMAND = LOAD_BYTES > 0 ? 8'd7 : 8'd3;

  // -- the frame on its way in: read a byte, take it, send the beat that is full
  logic [7:0] frame_byte;
  logic [IW-1:0] sent;  // bytes read
  logic reading, taking;
  assign load_valid = state == LOAD && taking;
  logic [$clog2(IN_BYTES+1)-1:0] held;
  logic store;
  assign store = state == PAYLOAD && in_valid;
  localparam int IA = IN_SIZE > 1 ? $clog2(IN_SIZE) : 1;
  etb_ram #(.WIDTH(8), .DEPTH(IN_SIZE)) u_frame (
      .clk, .write(store), .waddr(IA'(stored)), .wdata(byte_in),
      .read(reading), .raddr(IA'(sent)), .rdata(frame_byte)
  );
  assign reading = (state == RUN || state == LOAD) && !taking && !s_valid && sent != IW'(IN_SIZE);

  // -- the frame on its way out: keep a beat, write its bytes
  logic [8*OUT_BYTES-1:0] beat;
  logic [$clog2(OUT_BYTES+1)-1:0] waiting;
  logic [OW-1:0] written;
  logic [7:0] result_byte;
  assign m_ready = state == RUN && waiting == '0 && written != OW'(OUT_SIZE);
  localparam int OA = OUT_SIZE > 1 ? $clog2(OUT_SIZE) : 1;
  logic [RW-1:0] payload;  // byte of the reply's payload
  assign payload = place - RW'(3);
  etb_ram #(.WIDTH(8), .DEPTH(OUT_SIZE)) u_result (
      .clk, .write(waiting != '0), .waddr(OA'(written)), .wdata(beat[7:0]),
      .read(state == REPLY_READ), .raddr(OA'(payload)), .rdata(result_byte)
  );

  logic [7:0] info_byte;
  always_comb begin
    info_byte = '0;
    for (int i = 0; i < INFO_SIZE; i++) if (payload == RW'(i)) info_byte = info[8*i+:8];
  end

  logic [7:0] crc_byte;
  assign crc_byte = load_crc[8*payload[1:0]+:8];

  always_ff @(posedge clk) begin
    core_rst   <= rst || resetting != '0 || load_hold;
    load_open  <= 1'b0;
    load_check <= 1'b0;
    load_close <= 1'b0;
    if (resetting != '0) resetting <= resetting - 1'b1;
    if (waited != '1) waited <= waited + 1'b1;
    if (in_valid) waited <= '0;
    taking <= reading;
    if (reading) sent <= sent + 1'b1;
    if (taking && state == RUN) begin
      s_data <= (8 * IN_BYTES)'({frame_byte, s_data} >> 8);
      held <= held + 1'b1;
      if (held == ($clog2(IN_BYTES + 1))'(IN_BYTES - 1)) begin
        held    <= '0;
        s_valid <= 1'b1;
      end
    end
    if (s_valid && s_ready) s_valid <= 1'b0;
    if (m_valid && m_ready) begin
      beat    <= m_data;
      waiting <= ($clog2(OUT_BYTES + 1))'(OUT_BYTES);
    end
    if (waiting != '0) begin
      beat    <= beat >> 8;
      waiting <= waiting - 1'b1;
      written <= written + 1'b1;
    end

    unique case (state)
      HUNT: if (in_valid && byte_in == 8'hA5) begin
        state <= COMMAND;
        crc   <= '1;
      end
      COMMAND: if (in_valid) begin
        command <= byte_in;
        crc     <= crc_of(crc, byte_in);
        state   <= NUMBER;
      end
      NUMBER: if (in_valid) begin
        number <= byte_in;
        crc    <= crc_of(crc, byte_in);
        stored <= '0;
        state  <= command == 8'd1 || command == 8'd4 ? PAYLOAD : CRC_HIGH;
        if (command == 8'd0 || command > LAST_COMMAND) begin
          unknown <= unknown + 1'b1;
          status  <= 8'h83;
          state   <= REPLY_READ;
        end
      end
      PAYLOAD: if (in_valid) begin
        crc    <= crc_of(crc, byte_in);
        stored <= stored + 1'b1;
        if (stored == IW'(IN_SIZE - 1)) state <= CRC_HIGH;
      end
      CRC_HIGH: if (in_valid) begin
        crc_high_right <= byte_in == crc[15:8];
        state          <= CRC_LOW;
      end
      CRC_LOW: if (in_valid) begin
        status <= command;
        state  <= REPLY_READ;
        if (!crc_high_right || byte_in != crc[7:0]) begin
          crc_errors <= crc_errors + 1'b1;
          status     <= 8'h81;
        end else if (command == 8'd1 && load_opened) begin
          status <= 8'h86;
        end else if (command == 8'd1) begin
          sent    <= '0;
          written <= '0;
          cycles  <= '0;
          state   <= RUN;
        end else if (command == 8'd3) begin
          resetting  <= '1;
          frames     <= '0;
          cycles     <= '0;
          crc_errors <= '0;
          timeouts   <= '0;
          unknown    <= '0;
          lost       <= '0;
        end else if (command == 8'd4) begin
          sent <= '0;
          if (load_opened && number == load_number) begin
            load_number <= load_number + 1'b1;
            state       <= LOAD;
          end else if (!load_opened || number != load_number - 1'b1) status <= 8'h85;
        end else if (command > 8'd4) begin
          load_open  <= command == 8'd5;
          load_check <= command == 8'd6;
          load_close <= command == 8'd7;
          state      <= LOADER;
          if (command == 8'd5) load_number <= '0;
        end
      end
      LOAD: if (sent == IW'(IN_SIZE) && !taking) state <= REPLY_READ;
      LOADER: if (!load_busy && !load_open && !load_check && !load_close) state <= REPLY_READ;
      RUN: begin
        cycles <= cycles + 1'b1;
        if (written == OW'(OUT_SIZE)) begin
          frames <= frames + 1'b1;
          state  <= REPLY_READ;
        end else if (cycles == 32'(LIMIT)) begin
          lost      <= lost + 1'b1;
          resetting <= '1;
          s_valid   <= 1'b0;
          taking    <= 1'b0;
          held      <= '0;
          waiting   <= '0;
          status    <= 8'h84;
          state     <= REPLY_READ;
        end
      end
      REPLY_READ: state <= REPLY_WAIT;
      REPLY_WAIT: begin
        out_valid <= 1'b1;
        state     <= REPLY_SEND;
        if (place == '0) begin
          byte_out <= 8'h5A;
          crc      <= '1;
        end else if (place == RW'(1)) byte_out <= status;
        else if (place == RW'(2)) byte_out <= number;
        else if (place == last - 1'b1) byte_out <= crc[15:8];
        else if (place == last) byte_out <= crc[7:0];
        else byte_out <= status == 8'd1 ? result_byte : status == 8'd6 ? crc_byte : info_byte;
      end
      REPLY_SEND: if (out_ready) begin
        out_valid <= 1'b0;
        if (place != '0 && place < last - 1'b1) crc <= crc_of(crc, byte_out);
        place <= place + 1'b1;
        state <= REPLY_READ;
        if (place == last) begin
          place <= '0;
          state <= HUNT;
        end
      end
      default: state <= HUNT;
    endcase

    if ((state == COMMAND || state == NUMBER || state == PAYLOAD || state == CRC_HIGH || state == CRC_LOW)
        && !in_valid && waited >= LW'(TIMEOUT)) begin
      timeouts <= timeouts + 1'b1;
      status   <= 8'h82;
      if (state == COMMAND || state == NUMBER) number <= '0;
      state <= REPLY_READ;
    end

    if (rst) begin
      state      <= HUNT;
      place      <= '0;
      out_valid  <= 1'b0;
      s_valid    <= 1'b0;
      taking     <= 1'b0;
      held       <= '0;
      waiting    <= '0;
      waited     <= '0;
      resetting  <= '1;
      frames     <= '0;
      cycles     <= '0;
      crc_errors <= '0;
      timeouts   <= '0;
      unknown    <= '0;
      lost       <= '0;
    end
  end
  always_comb
    last = status == 8'd1 ? RW'(OUT_SIZE + 4) : status == 8'd2 ? RW'(INFO_SIZE + 4) :
        status == 8'd6 ? RW'(8) : RW'(4);
endmodule
