"""Run the integer graph over the whole test set with the packed executor and compare with torch."""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import NDArray

from etb_hw import qonnx_io
from etb_hw.artifacts.run_files import CHECKPOINT, SIMULATION, STREAMLINED
from etb_hw.artifacts.summary import Simulation
from etb_hw.flow.origins import data_origin
from etb_hw.flow.proofs import prove_outputs, prove_packed
from etb_hw.flow.samples import samples
from etb_hw.flow.step import Context, Step
from etb_hw.integer.packed import PackedExecutor
from etb_hw.simulate import simulate
from etb_hw.training import load_trained, logits, tensor_of
from etb_hw.verification import Proof


def _run(context: Context) -> list[Proof]:
    dataset = context.dataset
    graph = qonnx_io.import_model(context.path(STREAMLINED))
    proof = prove_packed(PackedExecutor(graph), samples(dataset, context.flow.verification))
    outputs: list[NDArray[np.int64]] = []
    total = len(dataset.test_x)
    report = simulate(
        graph,
        dataset.test_x,
        labels=dataset.test_y,
        threads=os.cpu_count() or 1,
        progress=lambda done, _: context.observer.progress(done, total, {}),
        on_result=lambda _, result: outputs.append(result),
    )
    if report.interrupted:
        raise KeyboardInterrupt
    assert report.confusion is not None, "labels were given"
    trained, _ = load_trained(context.path(CHECKPOINT), context.flow.model)
    torch_logits = logits(trained.net, tensor_of(dataset.test_x)).numpy()
    found = graph.dequantize(np.concatenate(outputs))
    whole = prove_outputs(graph, "packed, whole test set", "slim", found, torch_logits)
    context.write(
        SIMULATION,
        Simulation(
            accuracy_torch=float((torch_logits.argmax(axis=1) == dataset.test_y).mean()),
            accuracy_integer=float(np.trace(report.confusion) / total),
            images=total,
            images_per_second=total / report.seconds,
            kernel=report.kernel,
            threads=report.threads,
            classes=tuple(dataset.classes),
            confusion=tuple(map(tuple, report.confusion.tolist())),
        ),
    )
    return [proof, whole]


STEP = Step(
    "simulate", "Simulate the whole test set, bit-accurately",
    lambda flow: [data_origin(flow.data), flow.verification.model_dump()],
    (CHECKPOINT, STREAMLINED), (SIMULATION,), _run,
)  # fmt: skip
