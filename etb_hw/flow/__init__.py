"""A run: steps that resume, are timed and prove one another. Their list is ``etb_hw.flow.steps.STEPS``."""

from etb_hw.flow.run import run
from etb_hw.flow.step import Context, Observer, Silent, Step

__all__ = ["Context", "Observer", "Silent", "Step", "run"]
