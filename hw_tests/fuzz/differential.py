"""One network through every executor."""

from __future__ import annotations

import numpy as np

from etb_hw.integer.packed import PackedExecutor
from etb_hw.integer.reference import execute as reference
from etb_hw.qonnx_io import execute, import_model
from etb_hw.qonnx_io.streamlined import streamlined_model
from hw_tests.fuzz.net_generator import Net


def compare(net: Net, packed: bool = True) -> None:
    """Raise AssertionError where qonnx, the reference, the packed executor and the streamlined file differ.

    ``net.golden``, where given, holds torch's outputs.
    """
    graph = import_model(net.model, net.options)
    golden = execute(net.model, graph.to_float(net.samples))
    if net.golden is not None:
        np.testing.assert_array_equal(golden, net.golden)
    result = reference(graph, net.samples)
    logits = graph.dequantize(result)
    ours = graph.original(result).reshape(golden.shape) if graph.top else logits
    np.testing.assert_array_equal(ours, golden)
    if packed:
        np.testing.assert_array_equal(PackedExecutor(graph).run(net.samples), result)
    written = streamlined_model(graph)
    np.testing.assert_array_equal(execute(written, net.samples), golden)
    again = import_model(written)
    np.testing.assert_array_equal(reference(again, net.samples), result)
    assert [type(n) for n in again.nodes] == [type(n) for n in graph.nodes]
