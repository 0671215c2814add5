"""Whether a training moves any weight: an optimizer of other parameters steps, and nothing else says so."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from etb_hw.errors import BadInput
from etb_hw.models.layers import Evolving

_STEPS = 10  # that a warm-up may begin with, or a gradient scaler skip
_VALUES = 8  # of each layer: a step of an optimizer changes them all


class Stillness:
    """Looks at a few weights, step by step, until the first one has changed; copying a network's is safe."""

    def __init__(self) -> None:
        self.steps = 0
        self.seen: Tensor | None = None
        self.over = False

    @torch.no_grad()
    def look(self, model: nn.Module) -> None:
        """In front of what evolution itself does in a step.

        Raises BadInput where weights that shall be trained have stood still for ten steps.
        """
        if self.over or self.seen is None:
            return
        now = _some(model)
        self.over = now is None or now.shape != self.seen.shape or not torch.equal(now, self.seen)
        self.steps += 1
        if not self.over and self.steps >= _STEPS:
            raise BadInput(
                "Evolution.step",
                f"no weight has changed for {_STEPS} steps: the optimizer has others than the network",
                "make the optimizer behind prepare, of the prepared model's parameters(), and give it to "
                "evolution.load_state_dict (and to step or slim), where the network is cut",
            )

    @torch.no_grad()
    def remember(self, model: nn.Module) -> None:
        """Behind what evolution itself does in a step."""
        if not self.over:
            self.seen = _some(model)
            self.over = self.seen is None  # nothing is trained


def _some(model: nn.Module) -> Tensor | None:
    """A few values of each layer that is trained; None without one."""
    layers = [module for module in model.modules() if isinstance(module, Evolving)]
    some = [layer.latent.detach().flatten()[:_VALUES] for layer in layers if layer.latent.requires_grad]
    return torch.cat(some) if some else None
