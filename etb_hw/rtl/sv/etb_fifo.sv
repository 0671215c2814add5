// FIFO of DEPTH beats (at least 2). No path from out_ready to in_ready, nor from in_valid to out_valid.
// DEPTH = 2 is a pair of registers; deeper ones are a memory with a register behind it.
// Latency: 1 cycle for DEPTH = 2, else 2 cycles.
// AHEAD: the word behind the one at the output has been read from the memory before it is asked for, for a faster
// clock; ROWS: see etb_ram. Nothing else changes, in no cycle.
module etb_fifo #(
    parameter int WIDTH     = 8,
    parameter int DEPTH     = 2,
    parameter int RAM_STYLE = 0,
    parameter bit AHEAD     = 0,
    parameter int ROWS      = DEPTH
) (
    input  logic             clk,
    input  logic             rst,
    input  logic [WIDTH-1:0] in_data,
    input  logic             in_valid,
    output logic             in_ready,
    output logic [WIDTH-1:0] out_data,
    output logic             out_valid,
    input  logic             out_ready
);
  logic load;
  assign load = ~out_valid | out_ready;  // the output register can take a beat
  generate
    if (DEPTH <= 2) begin : g_skid
      logic [WIDTH-1:0] spare;
      logic spare_valid;
      assign in_ready = ~spare_valid;
      always_ff @(posedge clk)
        if (rst) begin
          out_valid   <= 1'b0;
          spare_valid <= 1'b0;
        end else if (load) begin
          out_valid   <= spare_valid | in_valid;
          spare_valid <= 1'b0;
        end else if (in_valid) spare_valid <= 1'b1;
      always_ff @(posedge clk) if (load) out_data <= spare_valid ? spare : in_data;
      always_ff @(posedge clk) if (in_ready) spare <= in_data;
    end else begin : g_memory
      localparam int WORDS = DEPTH - 1;
      localparam int AB = $clog2(WORDS);
      logic [AB-1:0] head, tail, behind_head, behind_tail;
      logic write, read, full, some;  // no word is free; a word is taken
      assign in_ready    = ~full;
      assign write       = in_valid & in_ready;
      assign read        = load & some;
      function automatic logic [AB-1:0] behind(input logic [AB-1:0] a);
        behind = a == AB'(WORDS - 1) ? '0 : a + 1'b1;
      endfunction
      // what the neighbours say comes late in a cycle: it moves the pointers and flags, and is added to nothing
      always_ff @(posedge clk)
        if (rst) begin
          head      <= '0;
          tail      <= '0;
          full      <= 1'b0;
          some      <= 1'b0;
          out_valid <= 1'b0;
        end else begin
          if (write) tail <= behind_tail;
          if (read) head <= behind_head;
          full <= ~read & (full | (in_valid & behind_tail == head));
          some <= in_valid | (some & ~(read & behind_head == tail));
          if (load) out_valid <= some;
        end
      if (AHEAD) begin : g_ahead
        // the word at `head` waits behind the memory's registers or, where it came too late to be read from the
        // memory, in `fresh`; while there is none, what these hold does not matter
        logic [WIDTH-1:0] word, fresh;
        logic is_fresh;
        etb_ram #(
            .WIDTH(WIDTH), .DEPTH(WORDS), .STYLE(RAM_STYLE), .ROWS(ROWS)
        ) u_words (
            .clk(clk), .write(write), .waddr(tail), .wdata(in_data),
            .read(load), .raddr(behind_head), .rdata(word)
        );
        always_ff @(posedge clk)
          if (rst) begin
            behind_head <= AB'(1);
            behind_tail <= AB'(1);
            is_fresh    <= 1'b0;
          end else begin
            if (read) behind_head <= behind(behind_head);
            if (write) behind_tail <= behind(behind_tail);
            is_fresh <= ~some ? in_valid : load ? in_valid & behind_head == tail : is_fresh;
          end
        always_ff @(posedge clk) if (load | ~is_fresh) fresh <= in_data;
        always_ff @(posedge clk) if (load) out_data <= is_fresh ? fresh : word;
      end else begin : g_plain
        assign behind_head = behind(head);
        assign behind_tail = behind(tail);
        etb_ram #(
            .WIDTH(WIDTH), .DEPTH(WORDS), .STYLE(RAM_STYLE)
        ) u_words (
            .clk(clk), .write(write), .waddr(tail), .wdata(in_data), .read(read), .raddr(head), .rdata(out_data)
        );
      end
    end
  endgenerate
endmodule
