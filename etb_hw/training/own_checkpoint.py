"""checkpoint.safetensors of a user's module: its values, and what network they are of. It holds no code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from etb_hw.errors import BadInput
from etb_hw.training.inputs import Inputs

FORMAT = "etb-hw own network 1"


def read(path: Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, Tensor]] | None:
    """What a checkpoint says of its network, its notes, and its tensors; None if it is no own network's.

    Raises BadInput for damaged files.
    """
    remedy = "give the checkpoint.safetensors of a finished training run"
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            if header.get("format") != FORMAT:
                return None
            about, notes = json.loads(header["about"]), json.loads(header["notes"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise BadInput(str(path), f"cannot be read ({error})", remedy) from None
    if not isinstance(about, dict) or not isinstance(notes, dict):
        raise BadInput(str(path), "does not say what network it holds", remedy)
    return about, notes, tensors


def inputs_of(path: Path, about: Mapping[str, Any]) -> Inputs:
    """What the network of a checkpoint reads. Raises BadInput where that is not said."""
    try:
        (channels, height, width), classes, dtype = about["inputs"]
        found = Inputs((int(channels), int(height), int(width)), int(classes), str(dtype))
        found.example()
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError):
        raise BadInput(str(path), "does not say what its network reads", "train again") from None
    return found
