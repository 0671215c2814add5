"""What slimming saved, and the proof that it changed no output bit."""

from __future__ import annotations

from etb_hw.artifacts.run_files import CHECKPOINT, PRUNING
from etb_hw.flow.samples import samples
from etb_hw.flow.step import Context, Step
from etb_hw.training import load_trained, tensor_of
from etb_hw.verification import Proof


def _run(context: Context) -> list[Proof]:
    trained, notes = load_trained(context.path(CHECKPOINT), context.flow.model)
    proof = trained.prove_slim(tensor_of(samples(context.dataset, context.flow.verification)))
    target = (notes["count"], notes["target"], notes["reached"], notes.get("budget"))
    context.write(PRUNING, trained.report(*target))
    return [proof]


STEP = Step(
    "prune", "Cut the zero filters out, exactly", lambda flow: flow.verification.model_dump(),
    (CHECKPOINT,), (PRUNING,), _run,
)  # fmt: skip
