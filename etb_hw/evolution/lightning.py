"""The evolution as a callback of Lightning, which need not be installed to use anything else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn

from etb_hw.errors import BadInput
from etb_hw.evolution.evolve import CostOf, Evolution
from etb_hw.evolution.note import note_of

if TYPE_CHECKING:
    Callback = object
else:
    try:
        from lightning.pytorch import Callback
    except ImportError:
        try:
            from pytorch_lightning import Callback
        except ImportError:
            Callback = object


class EvolutionCallback(Callback):
    """Steps an Evolution after every optimizer step of ``Trainer.fit``.

    The LightningModule, or one of its submodules, comes from ``etb_hw.prepare``. After the fit,
    ``etb_hw.slim(that module)`` gives the plain network. Checkpoints hold the evolution's state.

    Args:
        target, count, options: as for ``Evolution``; the number of steps is the trainer's.
    """

    def __init__(self, target: float, count: str | CostOf = "parameters", **options: Any) -> None:
        super().__init__()
        self.target, self.count, self.options = target, count, options
        self.evolution: Evolution | None = None
        self._state: dict[str, Any] | None = None
        self._seen = 0

    def on_fit_start(self, trainer: Any, pl_module: nn.Module) -> None:
        """Find the prepared network and begin, or go on from a checkpoint."""
        prepared = next((m for m in pl_module.modules() if note_of(m) is not None), None)
        if prepared is None:
            raise BadInput(
                f"module {type(pl_module).__name__!r}", "holds no prepared network",
                "set self.net = etb_hw.prepare(net, example_input) in its __init__",
            )  # fmt: skip
        steps = int(trainer.estimated_stepping_batches)
        self.evolution = Evolution(prepared, self.target, self.count, steps=steps, **self.options)
        if self._state is not None:
            self.evolution.load_state_dict(self._state)
        self._seen = int(trainer.global_step)

    def on_train_batch_end(
        self, trainer: Any, pl_module: nn.Module, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """One step of the evolution, unless gradients are still being accumulated."""
        assert self.evolution is not None
        if int(trainer.global_step) > self._seen:
            self._seen = int(trainer.global_step)
            self.evolution.step()

    def state_dict(self) -> dict[str, Any]:
        return {} if self.evolution is None else self.evolution.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._state = state_dict or None
