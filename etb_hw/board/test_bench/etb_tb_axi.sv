// A test bench for the accelerator between AXI-Streams: golden frames in, golden frames out, random stalls.
//
// frames_in.mem and frames_out.mem hold a word of the bus a line, frame after frame. To try frames of your own, put
// theirs there and set FRAMES in tb.sv. The first run sends a frame a packet at full speed, the second all in one
// packet with stalls on both sides; a third sends half a frame first, which must be counted and harm nothing.
module etb_tb_axi #(
    parameter int FRAMES = 1,
    parameter int IN_BUS = 1,  // bytes
    parameter int IN_WORDS = 4,  // a frame
    parameter int OUT_BUS = 1,
    parameter int OUT_WORDS = 1
);
  logic aclk = 0, aresetn = 0;
  always #5 aclk = ~aclk;

  logic [6:0] awaddr = 0, araddr = 0;
  logic awvalid = 0, wvalid = 0, bready = 0, arvalid = 0, rready = 0;
  logic awready, wready, bvalid, arready, rvalid;
  logic [31:0] wdata = 0, rdata;
  logic [1:0] bresp, rresp;
  logic [8*IN_BUS-1:0] s_tdata = 0;
  logic s_tlast = 0, s_tvalid = 0, s_tready;
  logic [8*OUT_BUS-1:0] m_tdata;
  logic [OUT_BUS-1:0] m_tkeep;
  logic m_tlast, m_tvalid, m_tready = 0;

  etb_accelerator dut (
      .aclk(aclk), .aresetn(aresetn),
      .s_axi_awaddr(awaddr), .s_axi_awprot(3'b0), .s_axi_awvalid(awvalid), .s_axi_awready(awready),
      .s_axi_wdata(wdata), .s_axi_wstrb(4'hF), .s_axi_wvalid(wvalid), .s_axi_wready(wready),
      .s_axi_bresp(bresp), .s_axi_bvalid(bvalid), .s_axi_bready(bready),
      .s_axi_araddr(araddr), .s_axi_arprot(3'b0), .s_axi_arvalid(arvalid), .s_axi_arready(arready),
      .s_axi_rdata(rdata), .s_axi_rresp(rresp), .s_axi_rvalid(rvalid), .s_axi_rready(rready),
      .s_axis_tdata(s_tdata), .s_axis_tkeep({IN_BUS{1'b1}}), .s_axis_tlast(s_tlast),
      .s_axis_tvalid(s_tvalid), .s_axis_tready(s_tready),
      .m_axis_tdata(m_tdata), .m_axis_tkeep(m_tkeep), .m_axis_tlast(m_tlast),
      .m_axis_tvalid(m_tvalid), .m_axis_tready(m_tready)
  );

  logic [8*IN_BUS-1:0] given[FRAMES*IN_WORDS];
  logic [8*OUT_BUS-1:0] expected[FRAMES*OUT_WORDS];
  int errors = 0;

  // signals change on the falling edge, and are looked at just before the rising one
  task automatic tick();
    @(negedge aclk);
  endtask

  task automatic write(input logic [6:0] address, input logic [31:0] value);
    awaddr = address; wdata = value; awvalid = 1; wvalid = 1; bready = 1;
    while (awvalid || wvalid || bready) begin
      logic a, w, b;
      #4 a = awvalid && awready; w = wvalid && wready; b = bvalid && bready;
      tick();
      if (a) awvalid = 0;
      if (w) wvalid = 0;
      if (b) bready = 0;
    end
  endtask

  task automatic read(input logic [6:0] address, output logic [31:0] value);
    araddr = address; arvalid = 1; rready = 1;
    while (arvalid || rready) begin
      logic a, r;
      #4 a = arvalid && arready; r = rvalid && rready;
      if (r) value = rdata;
      tick();
      if (a) arvalid = 0;
      if (r) rready = 0;
    end
  endtask

  task automatic check(input string what, input logic [6:0] address, input logic [31:0] value);
    logic [31:0] found;
    read(address, found);
    if (found !== value) begin
      errors++;
      $display("%s: %0d instead of %0d", what, found, value);
    end
  endtask

  // words [first, first + count) of the golden input; TLAST with the last one of every `packet` words
  task automatic send(input int first, input int count, input int packet, input int stall);
    for (int i = 0; i < count;) begin
      logic taken;
      s_tvalid = s_tvalid || $urandom_range(99) >= stall;
      s_tdata  = given[first+i];
      s_tlast  = (i + 1) % packet == 0;
      #4 taken = s_tvalid && s_tready;
      tick();
      if (taken) begin
        i++;
        s_tvalid = 0;
      end
    end
    s_tvalid = 0;
  endtask

  task automatic receive(input int count, input int packet, input int stall, input bit compare);
    for (int i = 0; i < count;) begin
      logic taken;
      m_tready = $urandom_range(99) >= stall;
      #4 taken = m_tvalid && m_tready;
      if (taken && compare && (m_tdata !== expected[i] || m_tlast !== ((i + 1) % packet == 0) || m_tkeep !== '1)) begin
        errors++;
        if (errors < 10)
          $display("frame %0d, word %0d: %h, last %b, instead of %h, last %b", i / OUT_WORDS, i % OUT_WORDS,
                   m_tdata, m_tlast, expected[i], (i + 1) % packet == 0);
      end
      tick();
      if (taken) i++;
    end
    m_tready = 0;
  endtask

  task automatic run(input int frames, input int stall);  // `frames` a packet
    write(7'h14, frames);
    fork
      send(0, FRAMES * IN_WORDS, frames * IN_WORDS, stall);
      receive(FRAMES * OUT_WORDS, frames * OUT_WORDS, stall, 1);
    join
  endtask

  initial begin
    $readmemh("frames_in.mem", given);
    $readmemh("frames_out.mem", expected);
    repeat (4) tick();
    aresetn = 1;
    tick();
    check("identity", 7'h00, 32'h45544231);
    write(7'h0C, 32'h1);
    run(1, 0);
    run(FRAMES, 40);
    check("frames in", 7'h18, 2 * FRAMES);
    check("frames out", 7'h1C, 2 * FRAMES);
    check("packets that ended early", 7'h28, 0);
    if (IN_WORDS > 1) begin
      write(7'h14, 1);
      fork
        send(0, IN_WORDS / 2, IN_WORDS / 2, 0);
        receive(OUT_WORDS, OUT_WORDS, 0, 0);
      join
      run(1, 20);
      check("packets that ended early", 7'h28, 1);
    end
    check("packets without an end", 7'h2C, 0);
    if (errors != 0) $fatal(1, "FAILED: %0d errors", errors);
    $display("PASSED: %0d frames, at full speed and with stalls", FRAMES);
    $finish;
  end

  initial begin
    #(64'd1_000_000_000_000) $fatal(1, "FAILED: it got stuck");
  end
endmodule
