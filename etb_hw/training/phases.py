"""Between the phases of a run: zero filters leave, then the others are binary for good. Both are proved."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from torch import Tensor

from etb_hw.config import TrainingConfig
from etb_hw.training.distributed import share_buffers, wrapped
from etb_hw.training.evaluate import logits
from etb_hw.training.optim import evolving_optimizers
from etb_hw.training.run import Run
from etb_hw.verification import prove

PROOF_IMAGES = 256


@dataclass(frozen=True)
class Unchanged:
    """A witness of the run's evolution: the logits of a sample are the same bits before and after."""

    run: Run
    sample: Tensor

    @contextmanager
    def __call__(self, stage: str, before: str) -> Iterator[None]:
        share_buffers(self.run.net, self.run.team)
        expected = logits(self.run.net, self.sample).numpy()
        yield
        found = logits(self.run.net, self.sample).numpy()
        self.run.proofs = (*self.run.proofs, prove(stage, before, found, expected))


def refitted(run: Run, training: TrainingConfig) -> None:
    """What trains the network suits its new form: fewer channels, or no thresholds."""
    state = run.optimizers.state()
    run.trained = wrapped(run.net, run.team, training.compile)
    run.optimizers = evolving_optimizers(run.root, training, run.evolution.adam)
    run.optimizers.load(state)
