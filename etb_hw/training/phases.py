"""Between the phases of a run: zero filters leave, then the others are binary for good. Both are proved."""

from __future__ import annotations

from torch import Tensor

from etb_hw.config import TrainingConfig
from etb_hw.models import BinaryNet
from etb_hw.pruning.slim import slim
from etb_hw.training.distributed import share_buffers, wrapped
from etb_hw.training.evaluate import logits
from etb_hw.training.optim import evolving_optimizers, slice_state
from etb_hw.training.run import Run
from etb_hw.verification import prove

PROOF_IMAGES = 256


def slim_run(run: Run, training: TrainingConfig, sample: Tensor) -> None:
    """Zero filters leave, together with their share of the optimizer's state."""
    controller = run.controller
    share_buffers(run.net, run.team)
    controller.zero(run.net, run.step)
    evolved = logits(run.net, sample).numpy()
    controller.kill(run.net)
    masked = logits(run.net, sample).numpy()
    keep = controller.keep()
    state = slice_state(run.net, run.optimizers.state(), keep)
    slimmed = slim(run.net, keep)
    run.proofs = (
        *run.proofs,
        prove("slim", "evolved to zero, before they are masked", masked, evolved),
        prove("slim", "masked, before they are cut out", logits(slimmed, sample).numpy(), masked),
    )
    _go_on(run, slimmed, state, training)


def harden_run(run: Run, training: TrainingConfig, sample: Tensor) -> None:
    """Binary from here on, where no dead zone is left; the thresholds leave the optimizer."""
    share_buffers(run.net, run.team)
    run.controller.open_no_more(run.net)
    evolved = logits(run.net, sample).numpy()
    run.net.set_hard()
    run.proofs = (
        *run.proofs,
        prove("harden", "evolved to binary, before thresholds go", logits(run.net, sample).numpy(), evolved),
    )
    run.hard = True
    _go_on(run, run.net, run.optimizers.state(), training)


def _go_on(run: Run, net: BinaryNet, state: dict[str, Tensor], training: TrainingConfig) -> None:
    run.net, run.trained = net, wrapped(net, run.team, training.compile)
    run.optimizers = evolving_optimizers(net, training, run.controller.config.threshold_lr)
    run.optimizers.load(state)
