"""The steps of a flow, in order, one file each."""

from etb_hw.flow.step import Step
from etb_hw.flow.steps import (
    baseline,
    board,
    build,
    compare,
    export,
    prune,
    report,
    rtl,
    simulate,
    streamline,
    train,
)

STEPS: tuple[Step, ...] = (
    train.STEP,
    baseline.STEP,
    prune.STEP,
    export.STEP,
    streamline.STEP,
    build.STEP,
    compare.STEP,
    simulate.STEP,
    rtl.STEP,
    board.STEP,
    report.STEP,
)

__all__ = ["STEPS"]
