"""A run: the visible list of steps, and the runner that resumes, times and proves them."""

from etb_hw.flow.run import run
from etb_hw.flow.step import Context, Observer, Silent, Step
from etb_hw.flow.steps import (
    baseline,
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
from etb_hw.flow.steps.report import read_summary

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
    report.STEP,
)

__all__ = ["STEPS", "Context", "Observer", "Silent", "Step", "read_summary", "run"]
