"""The same SystemVerilog in Icarus, a simulator of its own family, where a machine has one: the same bits."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from etb_hw.dataflow import DataflowGraph, Target, fold, lower
from etb_hw.dataflow.simulation import size_fifos
from etb_hw.integer import IntegerGraph
from etb_hw.integer.reference import execute
from etb_hw.rtl import generator
from hw_tests.dataflow.test_zero_borders import chain
from hw_tests.networks import dense_net, resnet18

pytestmark = pytest.mark.skipif(
    shutil.which("iverilog") is None, reason="no iverilog here; no pip package has one"
)

BENCH = """`timescale 1ns/1ps
module tb;
  reg clk = 0, rstn = 0, valid = 0;
  reg [{width_in}-1:0] beats[0:{sent}-1];
  reg [{width_in}-1:0] data;
  integer i = 0, o = 0;
  wire ready, out_valid;
  wire [{width_out}-1:0] out;
  etb_top dut (
      .aclk(clk), .aresetn(rstn), .s_axis_tdata(data), .s_axis_tvalid(valid), .s_axis_tready(ready),
      .m_axis_tdata(out), .m_axis_tvalid(out_valid), .m_axis_tready(1'b1)
  );
  always #5 clk = ~clk;
  initial begin
    $readmemh("beats.mem", beats);
    repeat (5) @(posedge clk);
    #1 rstn = 1;
    repeat (3) @(posedge clk);
    #1 valid = 1;
    data = beats[0];
  end
  always @(posedge clk)
    if (valid && ready) begin
      i = i + 1;
      #1 if (i < {sent}) data = beats[i]; else valid = 0;
    end
  always @(posedge clk)
    if (rstn && out_valid) begin
      $display("OUT %h", out);
      o = o + 1;
      if (o == {received}) $finish;
    end
  initial #5000000 $finish;
endmodule
"""


def in_icarus(design: DataflowGraph, frames: NDArray[np.int64], folder: Path) -> NDArray[np.int64]:
    """What the design sends for frames (N, *input stream shape)."""
    source, sink = design.input_stream, design.output_stream
    generator.write(generator.generate(design), folder)
    lanes = frames.reshape(-1, source.lanes) & ((1 << source.dtype.bits) - 1)
    words = [sum(int(v) << (i * source.dtype.bits) for i, v in enumerate(beat)) for beat in lanes]
    width_in, width_out = (generator.axis_width(stream) for stream in (source, sink))
    (folder / "beats.mem").write_text("".join(f"{word:0{width_in // 4}x}\n" for word in words))
    received = len(frames) * sink.beats
    text = BENCH.format(width_in=width_in, width_out=width_out, sent=len(words), received=received)
    (folder / "tb.sv").write_text(text)
    files = (folder / "files.f").read_text().split()
    for command in (["iverilog", "-g2012", "-s", "tb", "-o", "sim", *files, "tb.sv"], ["vvp", "sim"]):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
    bits = sink.dtype.bits
    beats = [int(line.split()[1], 16) for line in done.stdout.splitlines() if line.startswith("OUT")]
    assert len(beats) == received
    values = np.array(
        [beat >> (lane * bits) & ((1 << bits) - 1) for beat in beats for lane in range(sink.lanes)]
    )
    wrapped = values - (values >> (bits - 1) << bits) if sink.dtype.twos_complement else values
    return np.asarray(wrapped, dtype=np.int64)


@pytest.mark.parametrize(
    ("network", "cycles", "has"),
    [
        (lambda: dense_net(few_bits=True), 1200, "etb_concat"),
        (lambda: dense_net(few_bits=True), 50, "etb_concat_pixels"),
        (chain, 1200, ".BORDER(1)"),
        (chain, 111, ".BORDER(2)"),
        (chain, 50, ".BORDER(2)"),
        (lambda: resnet18((5, 6), size=6, blocks=1), 1200, "etb_add_streams"),
    ],
    ids=[
        "joined channels",
        "joined channels, two pixels",
        "borders of zeros",
        "borders of zeros in whole windows",
        "borders of zeros, two pixels",
        "residual",
    ],
)
def test_icarus_computes_the_same_bits(
    network: Callable[[], IntegerGraph], cycles: int, has: str, tmp_path: Path
) -> None:
    graph = network()
    design = size_fifos(fold(lower(graph), Target(cycles=cycles)).graph).graph
    x = np.random.default_rng(0).integers(0, 256, (2, *graph.input.shape))
    found = in_icarus(design, np.moveaxis(x, 1, -1), tmp_path)
    assert has in (tmp_path / "etb_top.sv").read_text()
    np.testing.assert_array_equal(found, execute(graph, x).reshape(-1))
