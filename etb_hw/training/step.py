"""One step of training: a batch, its loss, and what the optimizer and the controller make of it."""

from __future__ import annotations

from etb_hw.config import TrainingConfig
from etb_hw.evolution.team import total
from etb_hw.training.batches import Batches
from etb_hw.training.devices import halved
from etb_hw.training.loss import check_loss, loss_of
from etb_hw.training.run import Run
from etb_hw.training.teacher import Lessons
from etb_hw.training.whole_steps import WholeSteps


def train_step(
    run: Run, batches: Batches, training: TrainingConfig, lessons: Lessons | None, steps: WholeSteps
) -> float:
    """One step; returns the mean loss of all processes."""
    x, y = batches.batch(run.step)
    taught = None if lessons is None else lessons.of(x)
    with halved(x, training.amp):
        output = run.trained(x)
    loss = loss_of(output.float(), y, taught, training)
    right = float((output.detach().argmax(1) == y).sum())
    # all processes count the same, and end with the same step
    value, right, asked = total(run.team, x.device, float(loss.detach()), right, float(steps.asked))
    steps.agree(asked > 0)
    value /= run.team.ranks
    check_loss("training.lr", value, run.step)
    loss.backward()
    factor = run.schedule.learning_rate(run.step)
    run.optimizers.step(factor)
    run.trainee.project(run.net)
    run.evolution.step(factor, run.optimizers.all)
    run.loss_sum += value
    run.correct += int(right)
    return value
