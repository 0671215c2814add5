"""checkpoint.safetensors: the slim hardened network, with its topology and widths in the header."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from etb_hw.errors import BadInput
from etb_hw.files import write_bytes
from etb_hw.models import LayerSpec, NetSpec
from etb_hw.pruning.hard import HardNet
from etb_hw.quantizers import BIPOLAR

FORMAT = "etb-hw hardened network 1"
_TYPES = {
    "weight": torch.int8,
    "thresholds": torch.int32,
    "slope": torch.float32,
    "shift": torch.float32,
    "bias": torch.int32,
    "alive": torch.int8,
    "input_alive": torch.int8,
}


def save_checkpoint(hard: HardNet, path: Path, notes: Mapping[str, Any] | None = None) -> None:
    """Write integers (and a stream's exact slopes); ``notes`` (JSON values) go to the header.

    The file appears whole or not at all.
    """
    tensors = {
        f"{name}.{kind}": getattr(hard.layer(name), kind).to(_TYPES[kind]).contiguous()
        for name in hard.spec.by_name
        for kind in _TYPES
    }
    header = {
        "format": FORMAT,
        "spec": json.dumps(hard.spec.to_json()),
        "notes": json.dumps(dict(notes or {})),
    }
    write_bytes(path, save(tensors, metadata=header))


def load_checkpoint(path: Path) -> tuple[HardNet, dict[str, Any]]:
    """The network and its notes. Raises BadInput for missing, damaged or foreign files."""
    remedy = "give the checkpoint.safetensors of a finished training run"
    if not path.is_file():
        raise BadInput(str(path), "does not exist", remedy)
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if header.get("format") != FORMAT:
            raise BadInput(str(path), f"is no checkpoint of this format ({FORMAT})", remedy)
        spec = NetSpec.from_json(json.loads(header["spec"]))
        notes = json.loads(header["notes"])
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise BadInput(str(path), f"cannot be read ({error})", remedy) from None
    foreign = set(tensors) - {f"{name}.{kind}" for name in spec.by_name for kind in _TYPES}
    if foreign or not isinstance(notes, dict):
        what = f"holds {min(foreign)!r}, which is no part of its network" if foreign else "has no notes"
        raise BadInput(str(path), what, remedy)
    return HardNet(spec, {name: _layer_tensors(path, spec, name, tensors) for name in spec.by_name}), notes


def _layer_tensors(path: Path, spec: NetSpec, name: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    layer = spec.by_name[name]
    found = {kind: tensors.get(f"{name}.{kind}", torch.zeros(0)) for kind in _TYPES}
    for kind, shape in _shapes(spec, layer).items():
        if tuple(found[kind].shape) != shape:
            raise BadInput(
                f"{path}: {name}.{kind}",
                f"has shape {tuple(found[kind].shape)}, expected {shape}",
                "the file is damaged; train again",
            )
    for kind, dtype in _TYPES.items():
        values = found[kind]
        if values.numel() and (values.dtype != dtype or not bool(torch.isfinite(values).all())):
            reason = f"is {values.dtype} or not finite, expected {dtype}"
            raise BadInput(f"{path}: {name}.{kind}", reason, "the file is damaged; train again")
    if not set(np.unique(found["weight"].numpy())) <= {-1, 0, 1}:
        raise BadInput(f"{path}: {name}.weight", "is not binary", "the file is damaged; train again")
    return found


def _shapes(spec: NetSpec, layer: LayerSpec) -> dict[str, tuple[int, ...]]:
    outputs = spec.widths[layer.group]
    shapes: dict[str, tuple[int, ...]] = {"alive": (outputs,)}
    if layer.weighted:
        geometry = spec.geometry(layer)
        dense = (outputs, geometry.fan_in)
        conv = (outputs, geometry.inputs, layer.kernel, layer.kernel)
        shapes["weight"] = conv if layer.op == "conv" else dense
        shapes["input_alive"] = (geometry.inputs,)
    if layer.op == "classifier":
        shapes["bias"] = (outputs,)
    elif layer.op not in ("add", "sumpool"):
        shapes["thresholds"] = (outputs, layer.kind.thresholds)
    if layer.kind != BIPOLAR and layer.op in ("conv", "dense", "sign"):
        shapes["slope"] = shapes["shift"] = (outputs,)
    return shapes
