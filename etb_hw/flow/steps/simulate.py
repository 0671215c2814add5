"""Run the integer graph over the whole test set with the packed executor and compare with torch."""

from __future__ import annotations

import time

import numpy as np
import torch

from etb_hw import qonnx_io
from etb_hw.files import write_json
from etb_hw.flow.proofs import prove_packed
from etb_hw.flow.samples import samples
from etb_hw.flow.step import Context, Step
from etb_hw.integer.packed import PackedExecutor
from etb_hw.pruning import load_checkpoint
from etb_hw.training import logits
from etb_hw.verification import Proof, prove

FILE = "simulation.json"


def _run(context: Context) -> list[Proof]:
    dataset = context.dataset
    graph = qonnx_io.import_model(context.path("streamlined.onnx"))
    packed = PackedExecutor(graph)
    proofs = [prove_packed(packed, samples(dataset, context.flow.verification))]
    begin = time.perf_counter()
    result = packed.run(dataset.test_x)
    seconds = time.perf_counter() - begin
    slim, _ = load_checkpoint(context.path("checkpoint.safetensors"))
    torch_logits = logits(slim, torch.from_numpy(dataset.test_x)).numpy()
    proofs.append(prove("packed, whole test set", "slim", graph.dequantize(result), torch_logits, "logits"))
    predicted = result.argmax(axis=1)
    confusion = np.zeros((len(dataset.classes), len(dataset.classes)), dtype=np.int64)
    np.add.at(confusion, (dataset.test_y, predicted), 1)
    write_json(
        context.path(FILE),
        {
            "accuracy_torch": float((torch_logits.argmax(axis=1) == dataset.test_y).mean()),
            "accuracy_integer": float((predicted == dataset.test_y).mean()),
            "images": len(dataset.test_x),
            "images_per_second": len(dataset.test_x) / seconds,
            "classes": list(dataset.classes),
            "confusion": confusion.tolist(),
        },
    )
    return proofs


STEP = Step(
    "simulate", "Simulate the whole test set, bit-accurately",
    lambda flow: [flow.data.model_dump(), flow.verification.model_dump()],
    ("checkpoint.safetensors", "streamlined.onnx"), (FILE,), _run,
)  # fmt: skip
