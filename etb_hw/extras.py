"""Which packages come with which extra of the distribution, for those who installed without it."""

from __future__ import annotations

from etb_hw.errors import MissingTool

TRAIN = ("torch", "brevitas", "safetensors", "onnxoptimizer")
TRAIN_EXTRA = "pip install 'etb-hw[train]'"


def missing_extra(error: BaseException) -> MissingTool | None:
    """What an import that failed lacks, where an extra brings it."""
    if not isinstance(error, ModuleNotFoundError) or error.name is None:
        return None
    package = error.name.partition(".")[0]
    if package not in TRAIN:
        return None
    return MissingTool(package, "is not installed; training and torch's export need it", TRAIN_EXTRA)
