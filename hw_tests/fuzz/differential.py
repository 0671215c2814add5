"""One network through every executor."""

from __future__ import annotations

import numpy as np
from net_generator import Net

from etb_hw.integer.reference import execute as reference
from etb_hw.qonnx_io import execute, import_model
from etb_hw.qonnx_io.streamlined import streamlined_model


def compare(net: Net) -> None:
    """Raise AssertionError where qonnx, the reference and the streamlined file differ in a single bit."""
    graph = import_model(net.model, net.options)
    golden = execute(net.model, net.options.to_float(net.samples))
    result = reference(graph, net.samples)
    logits = graph.dequantize(result)
    ours = logits.argmax(axis=1).reshape(golden.shape) if graph.argmax else logits
    np.testing.assert_array_equal(ours, golden)
    written = streamlined_model(graph)
    np.testing.assert_array_equal(execute(written, net.samples), golden)
    again = import_model(written)
    np.testing.assert_array_equal(reference(again, net.samples), result)
    assert [type(n) for n in again.nodes] == [type(n) for n in graph.nodes]
