"""The resumable state of a run: one safetensors file, replaced atomically, with its digest inside. No pickle.

The state before it is kept beside it, so that one that was damaged costs the work since then, not the run.

Random numbers need no saving: every batch follows from the seed and the step number (see batches.py).
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Collection, Mapping
from contextlib import suppress
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
from etb_hw.training import older_states

FORMAT = "etb-hw training state 3"
BEFORE = ".before"  # ends the name of the state before
FINISHED = ".finished"  # ends the name of the last state in which the run, as it was then asked for, was done
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Snapshot:
    """Everything a run needs to go on.

    Attributes:
        step: steps done. form: the network as it is now, slim or not, as its trainee tells it (JSON values).
        hard: whether it is binary. net, optimizer, controller: tensors by name.
        key: identifies configuration and data; a snapshot of another run is not resumed.
        extra: JSON values: proofs, running sums of the epoch, seconds spent.
    """

    step: int
    form: Mapping[str, Any]
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
    """Replace the file at ``path``; the one that was there stays beside it."""
    parts = {"net": snapshot.net, "optimizer": snapshot.optimizer, "controller": snapshot.controller}
    tensors = {
        f"{part}:{name}": value.detach().cpu().contiguous().clone()
        for part, values in parts.items()
        for name, value in values.items()
    }
    state = json.dumps(
        {
            "step": snapshot.step,
            "spec": dict(snapshot.form),
            "hard": snapshot.hard,
            "key": snapshot.key,
            "extra": dict(snapshot.extra),
        }
    )
    header = {"format": FORMAT, "state": state, "digest": _digest(state, tensors)}
    content = save(tensors, metadata=header)
    with suppress(FileNotFoundError):
        os.replace(path, before(path))
    write_bytes(path, content)


def before(path: Path) -> Path:
    """Where the state before the one at ``path`` lies."""
    return path.with_name(path.name + BEFORE)


def finished(path: Path) -> Path:
    """Where the state lies with which a finished run began its last restart."""
    return path.with_name(path.name + FINISHED)


def keep_finished(path: Path) -> None:
    """Keep the state at ``path`` whatever follows: another restart may be tried from it."""
    write_bytes(finished(path), path.read_bytes())


def remove_snapshot(path: Path) -> None:
    """Forget the state at ``path``, so that the run starts anew."""
    for file in (path, before(path), finished(path)):
        file.unlink(missing_ok=True)


def load_snapshot(path: Path, keys: Collection[str]) -> Snapshot | None:
    """The snapshot at ``path`` with one of ``keys``; None for none of this run.

    Where that is damaged, or of another run, one that was kept beside it may serve.

    Raises BadInput where there are only damaged ones.
    """
    problem: BadInput | None = None
    for file in (path, before(path), finished(path)):
        if file.is_file():
            try:
                found = _read(file, keys)
            except BadInput as error:
                problem = problem or error
                continue
            if found is not None:
                if problem is not None:
                    log.warning("%s %s: going on from the state before it", problem.where, problem.reason)
                return found
    if problem is not None:
        raise problem
    return None


def _read(path: Path, keys: Collection[str]) -> Snapshot | None:
    """The snapshot in a file, None if it is of another run. Raises BadInput if damaged."""
    remedy = "delete it: what it held is trained anew"
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            if header.get("format") not in (FORMAT, older_states.FORMAT):
                raise BadInput(str(path), "is no training state of this version", remedy)
            state = json.loads(header["state"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if header["digest"] != _digest(header["state"], tensors):
            raise BadInput(str(path), "was changed since it was written", remedy)
        if state["key"] not in keys:
            return None
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise BadInput(str(path), f"cannot be read ({error})", remedy) from None
    parts: dict[str, dict[str, Tensor]] = {"net": {}, "optimizer": {}, "controller": {}}
    for name, value in tensors.items():
        part, _, rest = name.partition(":")
        parts[part][rest] = value
    if header["format"] == older_states.FORMAT:
        spec = NetSpec.from_json(state["spec"])
        for part in ("net", "optimizer"):
            parts[part] = older_states.as_named_now(spec, parts[part])
    step, hard, key = int(state["step"]), bool(state["hard"]), state["key"]
    return Snapshot(step, state["spec"], hard, key, **parts, extra=state["extra"])


def _digest(state: str, tensors: Mapping[str, Tensor]) -> str:
    """Of everything in a state: its JSON, and every tensor with its name, type and shape."""
    found = hashlib.sha256(state.encode())
    for name in sorted(tensors):
        value = tensors[name].contiguous()
        found.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        found.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()
