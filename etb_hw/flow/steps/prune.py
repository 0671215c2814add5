"""What slimming saved, and the proof that it changed no output bit."""

from __future__ import annotations

import torch

from etb_hw.artifacts.run_files import CHECKPOINT, PRUNING
from etb_hw.flow.samples import samples
from etb_hw.flow.step import Context, Step
from etb_hw.models import NetSpec
from etb_hw.pruning import load_checkpoint, report
from etb_hw.training import logits, tensor_of
from etb_hw.verification import Proof, prove


def _run(context: Context) -> list[Proof]:
    slim, notes = load_checkpoint(context.path(CHECKPOINT))
    dense = NetSpec.from_json(notes["dense"])
    keep = {group: torch.tensor(channels) for group, channels in notes["keep"].items()}
    x = tensor_of(samples(context.dataset, context.flow.verification))
    full = logits(slim.widened(dense, keep), x)
    proof = prove("slim", "hardened at full width", logits(slim, x).numpy(), full.numpy(), "logits")
    target = (notes["count"], notes["target"], notes["reached"], notes.get("budget"))
    sizes = report(dense, slim.spec, *target)
    context.write(PRUNING, sizes)
    return [proof]


STEP = Step(
    "prune", "Cut the zero filters out, exactly", lambda flow: flow.verification.model_dump(),
    (CHECKPOINT,), (PRUNING,), _run,
)  # fmt: skip
