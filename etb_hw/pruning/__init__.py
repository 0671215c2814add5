"""Hardening, sizes, and the deployable form of a trained network.

- ``harden(net) -> HardNet``: binary weights and exact integer thresholds.
- ``deployable(hard) -> torch.nn.Module``: stock Brevitas layers for export (see deploy.py).
- ``save_checkpoint(hard, path)``, ``load_checkpoint(path) -> (HardNet, notes)``: checkpoint.safetensors.
- ``report(before, after, ...) -> PruningReport``: the content of pruning.json.
"""

from etb_hw.artifacts.sizes import Count, LayerSizes, PruningReport
from etb_hw.pruning.checkpoint import load_checkpoint, save_checkpoint
from etb_hw.pruning.deploy import DeployedNet, deployable
from etb_hw.pruning.hard import HardNet, harden
from etb_hw.pruning.sizes import Cost, cost_function, report

__all__ = [
    "Cost",
    "Count",
    "DeployedNet",
    "HardNet",
    "LayerSizes",
    "PruningReport",
    "cost_function",
    "deployable",
    "harden",
    "load_checkpoint",
    "report",
    "save_checkpoint",
]
