// A test bench for the accelerator behind its serial line: golden packets in, golden packets out, bit by bit.
//
// request.mem and reply.mem hold a byte a line: one packet a frame, checksum included (etb_uart_bridge.sv says how).
// To try frames of your own, put theirs there and set FRAMES in tb.sv; host/serial_line.py makes such packets.
module etb_tb_serial #(
    parameter int FRAMES = 1,
    parameter int CLOCKS = 16,  // a bit
    parameter int REQUEST = 8,  // bytes a packet
    parameter int REPLY = 8
);
  logic clk = 0, rst = 1, rx = 1, tx;
  logic [1:0] led;
  always #5 clk = ~clk;
  etb_uart_system dut (.clk(clk), .rst(rst), .rx(rx), .tx(tx), .led(led));

  logic [7:0] request[FRAMES*REQUEST];
  logic [7:0] reply[FRAMES*REPLY];
  int errors = 0;

  task automatic bits(input int count);
    repeat (count * CLOCKS) @(negedge clk);
  endtask

  task automatic send(input logic [7:0] value);
    rx = 0;
    bits(1);
    for (int i = 0; i < 8; i++) begin
      rx = value[i];
      bits(1);
    end
    rx = 1;
    bits(1);
  endtask

  task automatic receive(output logic [7:0] value);
    while (tx !== 1'b0) @(negedge clk);
    repeat (CLOCKS / 2) @(negedge clk);
    for (int i = 0; i < 8; i++) begin
      bits(1);
      value[i] = tx;
    end
    bits(1);
  endtask

  initial begin
    logic [7:0] value;
    $readmemh("request.mem", request);
    $readmemh("reply.mem", reply);
    bits(2);
    rst = 0;
    bits(2);
    for (int frame = 0; frame < FRAMES; frame++) begin
      for (int i = 0; i < REQUEST; i++) send(request[frame*REQUEST+i]);
      for (int i = 0; i < REPLY; i++) begin
        receive(value);
        if (value !== reply[frame*REPLY+i]) begin
          errors++;
          if (errors < 10)
            $display("frame %0d, byte %0d: %h instead of %h", frame, i, value, reply[frame*REPLY+i]);
        end
      end
    end
    if (errors != 0) $fatal(1, "FAILED: %0d errors", errors);
    if (led !== {1'b0, FRAMES % 2 == 1}) $fatal(1, "FAILED: the lights say %b", led);
    $display("PASSED: %0d frames over the serial line", FRAMES);
    $finish;
  end

  initial begin
    #(64'd1_000_000_000_000) $fatal(1, "FAILED: it got stuck");
  end
endmodule
