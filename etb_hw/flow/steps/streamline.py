"""From QONNX to the integer graph: BatchNorms and scales become exact thresholds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from etb_hw import qonnx_io
from etb_hw.artifacts.run_files import MODEL, STREAMLINED
from etb_hw.flow.proofs import prove_outputs
from etb_hw.flow.samples import samples
from etb_hw.flow.step import Context, Step
from etb_hw.integer import reference
from etb_hw.verification import Proof, prove


def _run(context: Context) -> list[Proof]:
    source, path = context.path(MODEL), context.path(STREAMLINED)
    graph = qonnx_io.import_model(source)
    x = samples(context.dataset, context.flow.verification)
    found = reference.execute(graph, x)
    expected, ties = qonnx_io.settled(graph, source, x, graph.dequantize(found))
    proof = prove("integer graph", "model.qonnx.onnx in qonnx", graph.dequantize(found), expected)
    qonnx_io.write_streamlined(graph, path)
    again = reference.execute(qonnx_io.import_model(path), x)
    executed = np.asarray(qonnx_io.execute(path, x))
    return [
        replace(proof, ties=ties),
        prove_outputs(graph, "streamlined.onnx in qonnx", "model.qonnx.onnx in qonnx", executed, expected),
        prove("streamlined.onnx read back", "integer graph", again, found),
    ]


STEP = Step(
    "streamline", "Fold scales into integer thresholds", lambda flow: flow.verification.model_dump(),
    (MODEL,), (STREAMLINED,), _run,
)  # fmt: skip
