"""QONNX out: the universal file and FINN's variant, proved by qonnx's own executor."""

from __future__ import annotations

from etb_hw import qonnx_io
from etb_hw.artifacts.run_files import CHECKPOINT, FINN_MODEL, MODEL
from etb_hw.flow.samples import samples
from etb_hw.flow.step import Context, Step
from etb_hw.pruning import deployable, load_checkpoint
from etb_hw.qonnx_io import execute
from etb_hw.training import logits, tensor_of
from etb_hw.verification import Proof, prove


def _run(context: Context) -> list[Proof]:
    slim, _ = load_checkpoint(context.path(CHECKPOINT))
    module = deployable(slim)
    path = context.path(MODEL)
    qonnx_io.export_model(module, path, module.input_shape)
    qonnx_io.export_finn(path, context.path(FINN_MODEL))
    x = samples(context.dataset, context.flow.verification)
    pixels = tensor_of(x)
    torch_logits = logits(slim, pixels).numpy()
    brevitas = logits(module, pixels.float()).numpy()
    return [
        prove("stock Brevitas layers", "slim", brevitas, torch_logits, "logits"),
        prove("model.qonnx.onnx in qonnx", "slim", execute(path, x), torch_logits, "logits"),
    ]


STEP = Step(
    "export", "Export QONNX", lambda flow: flow.verification.model_dump(),
    (CHECKPOINT,), (MODEL, FINN_MODEL), _run,
)  # fmt: skip
