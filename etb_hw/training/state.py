"""The resumable state of a run: one safetensors file, replaced atomically. No pickle.

Random numbers need no saving: every batch follows from the seed and the step number (see batches.py).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from etb_hw.data import Dataset
from etb_hw.errors import BadInput
from etb_hw.files import write_bytes
from etb_hw.models import NetSpec

FORMAT = "etb-hw training state 1"


@dataclass(frozen=True)
class Snapshot:
    """Everything a run needs to go on.

    Attributes:
        step: steps done. spec: the network as it is now, slim or not.
        hard: whether it is binary. net, optimizer, controller: tensors by name.
        key: identifies configuration and data; a snapshot of another run is not resumed.
        extra: JSON values: proofs, running sums of the epoch, seconds spent.
    """

    step: int
    spec: NetSpec
    hard: bool
    key: str
    net: Mapping[str, Tensor]
    optimizer: Mapping[str, Tensor]
    controller: Mapping[str, Tensor]
    extra: Mapping[str, Any]


def key_of(settings: object, dataset: Dataset) -> str:
    """Identifies what a result was made from: JSON-able settings, and the data's content."""
    return hashlib.sha256(json.dumps([settings, dataset.digest], sort_keys=True).encode()).hexdigest()


def save_snapshot(path: Path, snapshot: Snapshot) -> None:
    """Replace the file at ``path``."""
    parts = {"net": snapshot.net, "optimizer": snapshot.optimizer, "controller": snapshot.controller}
    tensors = {
        f"{part}:{name}": value.detach().cpu().contiguous().clone()
        for part, values in parts.items()
        for name, value in values.items()
    }
    header = {
        "format": FORMAT,
        "state": json.dumps(
            {
                "step": snapshot.step,
                "spec": snapshot.spec.to_json(),
                "hard": snapshot.hard,
                "key": snapshot.key,
                "extra": dict(snapshot.extra),
            }
        ),
    }
    write_bytes(path, save(tensors, metadata=header))


def load_snapshot(path: Path, key: str) -> Snapshot | None:
    """The snapshot at ``path``, None if there is none or it is of another run. Raises BadInput if damaged."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            if header.get("format") != FORMAT:
                raise BadInput(str(path), "is no training state of this version", "delete it and train again")
            state = json.loads(header["state"])
            if state["key"] != key:
                return None
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise BadInput(str(path), f"cannot be read ({error})", "delete it and train again") from None
    parts: dict[str, dict[str, Tensor]] = {"net": {}, "optimizer": {}, "controller": {}}
    for name, value in tensors.items():
        part, _, rest = name.partition(":")
        parts[part][rest] = value
    spec = NetSpec.from_json(state["spec"])
    return Snapshot(int(state["step"]), spec, bool(state["hard"]), key, **parts, extra=state["extra"])


def tensors_on(values: Mapping[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    """A copy on a device."""
    return {name: value.to(device) for name, value in values.items()}
