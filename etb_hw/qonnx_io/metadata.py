"""What our files say about themselves."""

from __future__ import annotations

import onnx

from etb_hw import __version__

KIND = "etb_hw.kind"
FINN = "finn"  # the kind whose pads attributes mean -1 on bipolar tensors


def stamp(model: onnx.ModelProto, kind: str, padding: str) -> None:
    """Producer, version, which file this is and what its padding means."""
    model.producer_name, model.producer_version = "etb_hw", __version__
    entries = {"etb_hw.version": __version__, KIND: kind, "etb_hw.padding": padding}
    kept = [(p.key, p.value) for p in model.metadata_props if p.key not in entries]
    del model.metadata_props[:]
    for key, value in [*kept, *entries.items()]:
        model.metadata_props.append(onnx.StringStringEntryProto(key=key, value=value))
