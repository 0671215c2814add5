"""QONNX out: the universal file and FINN's variant, proved by qonnx's own executor."""

from __future__ import annotations

import logging

from etb_hw import qonnx_io
from etb_hw.artifacts.run_files import CHECKPOINT, FINN_MODEL, MODEL
from etb_hw.errors import UnsupportedNode, one_line
from etb_hw.flow.proofs import prove_export
from etb_hw.flow.samples import samples
from etb_hw.flow.step import Context, Step
from etb_hw.integer import DataType
from etb_hw.training import load_trained, logits, tensor_of
from etb_hw.verification import Proof, prove

log = logging.getLogger("etb_hw")


def _run(context: Context) -> list[Proof]:
    trained, _ = load_trained(context.path(CHECKPOINT), context.flow.model)
    module = trained.deployed()
    path = context.path(MODEL)
    qonnx_io.export_model(module, path, trained.input_shape, DataType.parse(trained.input_dtype))
    try:
        qonnx_io.export_finn(path, context.path(FINN_MODEL))
    except UnsupportedNode as error:
        log.warning("%s is left out: %s", FINN_MODEL.name, one_line(error))
    x = samples(context.dataset, context.flow.verification)
    pixels = tensor_of(x)
    torch_logits = logits(trained.net, pixels).numpy()
    proofs = []
    if module is not trained.net:
        brevitas = logits(module, pixels.float()).numpy()
        proofs.append(prove("stock Brevitas layers", "slim", brevitas, torch_logits, "logits"))
    return [*proofs, prove_export(qonnx_io.import_model(path), path, x, torch_logits)]


STEP = Step(
    "export", "Export QONNX", lambda flow: flow.verification.model_dump(),
    (CHECKPOINT,), (MODEL, FINN_MODEL), _run,
)  # fmt: skip
