"""Values that a model keeps in files beside it, as torch's newer exporter leaves them (MODEL.onnx.data).

A model names the file, and one that comes from elsewhere may name any: only plain files of its own folder
are read.
"""

from __future__ import annotations

import os
from pathlib import Path

import onnx

from etb_hw.errors import BadInput
from etb_hw.files import read_bytes

ONE_FILE = "save the model in one file (onnx.save_model(..., save_as_external_data=False))"


def load_external(model: onnx.ModelProto, path: Path, limit: int) -> None:
    """Put the values of files beside ``path``, the model's own, into the model.

    Args:
        limit: bytes of all values together, and of each file.

    Raises:
        BadInput: a tensor names a file anywhere else, a link, none, or a part that the file does not hold.
    """
    files: dict[str, bytes] = {}
    size = 0
    constants = (a.t for node in model.graph.node for a in node.attribute if a.HasField("t"))
    for tensor in (*model.graph.initializer, *constants):
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            continue
        where = f"{path}: tensor {tensor.name!r}"
        given = {entry.key: entry.value for entry in tensor.external_data}
        name = given.get("location", "")
        beside = path.parent / name
        if name in ("", ".", "..") or "/" in name or "\\" in name or os.path.islink(beside):
            raise BadInput(
                where, f"keeps its values in {name[:80]!r}, which is no plain file beside the model", ONE_FILE
            )
        if name not in files:
            files[name] = read_bytes(
                beside, limit, f"{path.name} keeps values in it: put it beside, or {ONE_FILE}"
            )
        start = _number(where, given.get("offset", "0"))
        length = _number(where, given.get("length", str(max(0, len(files[name]) - start))))
        size += length
        if start + length > len(files[name]) or size > limit:
            reason = (
                f"has {length:,} bytes of values in {name!r}, which holds fewer, or too many for one model"
            )
            raise BadInput(where, reason, f"copy {name} once more, it may be cut off, or {ONE_FILE}")
        tensor.raw_data = files[name][start : start + length]
        tensor.ClearField("external_data")
        tensor.ClearField("data_location")


def _number(where: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise BadInput(where, f"has a place {text[:40]!r} in its file, which is no number", ONE_FILE)
    return int(text)
