"""When things happen in a run, in steps."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from etb_hw.config import EvolutionConfig, TrainingConfig

FADE_SHARE = 0.2  # of the time between warm-up and slimming
CLOSING_SHARE = 0.2  # of the time in which filters close


@dataclass(frozen=True)
class Restart:
    """From the step ``begin`` to the step ``end`` the learning rate falls anew, from ``factor``."""

    begin: int
    end: int
    factor: float


@dataclass(frozen=True)
class Schedule:
    """Step numbers of a run.

    Attributes:
        steps: of the whole run, with its restarts; an_epoch of them make an epoch.
        warmup: first step at which filters may be given up. fade: steps that a given-up filter takes to reach
            zero. slim: step before which those filters are cut out.
        close: first step at which a filter that stays may begin to close. begun: step by which all have.
            closing: steps that it takes to.
        harden: step before which all filters are binary.
        rise: steps of rising learning rate. fall: step at which it starts to fall.
        spend: share of the time between warm-up and slimming in which the ratio is decided.
        restarts: what follows when all this is done.
    """

    steps: int
    an_epoch: int
    warmup: int
    slim: int
    harden: int
    fade: int
    close: int
    begun: int
    closing: int
    rise: int
    fall: int
    spend: float
    restarts: tuple[Restart, ...] = ()

    def learning_rate(self, step: int) -> float:
        """Factor on the learning rate: rising, flat, then a cosine to 0, and another for each restart."""
        if step < self.rise:
            return (step + 1) / (self.rise + 1)
        begun = self.restarted(step + 1)
        if begun:
            restart = self.restarts[begun - 1]
            return restart.factor * cosine(step, restart.begin, restart.end)
        return cosine(step, self.fall, self.restarts[0].begin if self.restarts else self.steps)

    def restarted(self, steps_done: int) -> int:
        """How many of the restarts have taken a step."""
        return sum(restart.begin < steps_done for restart in self.restarts)

    def restarts_at(self, step: int) -> bool:
        """Whether the next step is the first one of a restart."""
        return any(restart.begin == step for restart in self.restarts)

    def evolved(self, step: int) -> float:
        """0 until the warm-up ends, 1 at slimming, linear between."""
        return _between(step, self.warmup, self.slim)

    def closing_share(self, step: int) -> float:
        """Share of the filters that stay which have begun to close."""
        return _between(step, self.close, self.begun)

    def closed_whole(self, step: int) -> float:
        """How far layers that no filter leaves have closed, all their filters together."""
        return _between(step + 1, self.close, self.harden)

    def budget(self, step: int) -> float:
        """Share of the final pruning ratio that is spent by now: a cubic, complete at ``spend``."""
        if step < self.warmup:
            return 0.0
        return 1 - (1 - min(1.0, self.evolved(step) / self.spend)) ** 3


def _between(step: int, start: int, end: int) -> float:
    return min(1.0, max(0.0, (step - start) / max(1, end - start)))


def cosine(step: int, fall: float, steps: int) -> float:
    """1 until the step ``fall``, then half a cosine, to 0 at ``steps``."""
    share = max(0.0, step - fall) / max(1.0, steps - fall)
    return 0.5 * (1 + math.cos(math.pi * share))


def epoch_steps(training: TrainingConfig, images: int) -> int:
    """Batches of an epoch over ``images`` training images; incomplete ones are left out."""
    return max(1, images // training.batch)


def make_schedule(training: TrainingConfig, evolution: EvolutionConfig, images: int) -> Schedule:
    """The schedule of a run over ``images`` training images."""
    an_epoch = epoch_steps(training, images)
    steps = training.epochs * an_epoch
    rise = round(training.warmup_epochs * an_epoch)
    schedule = schedule_of(steps, an_epoch, evolution, rise, round(steps * training.flat))
    restarts: list[Restart] = []
    for restart in training.restarts:
        begin = restarts[-1].end if restarts else steps
        restarts.append(Restart(begin, begin + restart.epochs * an_epoch, restart.lr / training.lr))
    return replace(schedule, steps=restarts[-1].end if restarts else steps, restarts=tuple(restarts))


def schedule_of(
    steps: int, an_epoch: int, evolution: EvolutionConfig, rise: int = 0, fall: int = 0
) -> Schedule:
    """The schedule of a run of so many steps."""
    harden = max(1, round(steps * evolution.harden))
    slim = min(harden, max(1, round(steps * evolution.slim)))
    warmup = min(slim, round(steps * evolution.warmup))
    # what is given up last has to be zero by then, and decisions fall every few steps only
    left = (1 - evolution.spend) * (slim - warmup) - 2 * evolution.interval
    fade = max(1, round(min(left, (slim - warmup) * FADE_SHARE)))
    close = min(harden, round(steps * evolution.close))
    closing = max(1, round((harden - close) * CLOSING_SHARE))
    begun = max(close, harden - closing - 2 * evolution.interval)  # soon enough to end by hardening
    return Schedule(
        steps, an_epoch, warmup, slim, harden, fade, close, begun, closing, rise, fall, evolution.spend
    )
