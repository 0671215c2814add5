"""From training's progress to what an observer of a run sees."""

from __future__ import annotations

from etb_hw.flow.step import Context
from etb_hw.training import Callback, Progress


def watch(context: Context) -> Callback:
    def show(progress: Progress) -> None:
        shares = progress.shares
        fields = {"loss": progress.loss}
        if progress.accuracy is not None:
            fields["accuracy"] = progress.accuracy
        if progress.phase != "teacher":
            fields |= {"binary": shares.binary, "ternary": shares.ternary, "zero": shares.zero}
        context.observer.progress(progress.step, progress.steps, fields)

    return show
