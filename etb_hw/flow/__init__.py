"""A run: steps that resume, are timed and prove one another. Their list is ``etb_hw.flow.steps.STEPS``."""

from etb_hw.flow.runner import run_steps
from etb_hw.flow.step import Context, Observer, Silent, Step

__all__ = ["Context", "Observer", "Silent", "Step", "run_steps"]
