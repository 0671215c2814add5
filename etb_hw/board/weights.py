"""What a package with writable weights holds and says, and another network's weights for it."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from etb_hw.artifacts.run_files import DATAFLOW
from etb_hw.board.host.weights import weights_file
from etb_hw.dataflow.finn.onnx_reader import read
from etb_hw.dataflow.finn.onnx_writer import to_onnx
from etb_hw.dataflow.graph import DataflowGraph
from etb_hw.dataflow.load_image import (
    image_of_other,
    image_size,
    is_writable,
    load_image,
    memories,
)
from etb_hw.errors import BadInput
from etb_hw.files import read_bytes
from etb_hw.rtl.names import comment

WEIGHTS_FILE, DESCRIPTION = "weights.bin", "accelerator.json"
LOADED = (
    "\nBesides, another network was loaded, gave what its blocks compute, and the first one was loaded again."
)
_REMEDY = "give a folder that etb-hw package made"
_BUILD = re.compile(r"[0-9a-f]{16}")  # as describe.build_id gives it


def weights_description(design: DataflowGraph) -> dict[str, Any]:
    """What the host has to know of writable weights; nothing where they are fixed."""
    if not is_writable(design):
        return {}
    image = load_image(design)
    return {"weights": {"bytes": len(image), "crc32": zlib.crc32(image)}}


def writable_files(design: DataflowGraph, build: str) -> dict[str, bytes]:
    """What a package with writable weights holds beside: its own, and the design that others must fit."""
    if not is_writable(design):
        return {}
    return {
        DATAFLOW.name: to_onnx(design).SerializeToString(deterministic=True),
        WEIGHTS_FILE: weights_file(build, load_image(design)),
    }


def writable_text(design: DataflowGraph, example: str) -> str:
    """The README's part on writable weights, in Markdown; ``example`` is how one gets to the accelerator."""
    if not is_writable(design):
        return ""
    writable = dict.fromkeys(block.layer for block in design.blocks if block.links)
    fixed = dict.fromkeys(block.layer for block, _ in memories(design, writable=False))
    rest = ""
    if fixed:
        rest = f"Constants of {_listed(fixed)} are fixed: they must be the same in every network.\n"
    return f"""
## Load another network

Weights and thresholds of {_listed(writable)} can be written at run time, {image_size(design):,} bytes.
A network of the same shape, built with `--weights writable` as well, becomes a file for this package by

    etb-hw weights DATAFLOW --for THIS_FOLDER --out other.bin

```python
with {example} as accelerator:
    accelerator.load("other.bin")
```

writes it and reads a checksum of all memories back; `{WEIGHTS_FILE}` holds the weights that this package came
with. A load that is cut off leaves the accelerator in reset until weights are loaded.
{rest}"""


def _listed(names: Iterable[str]) -> str:
    return ", ".join(comment(name) for name in names)


def weights_for(package: Path, network: DataflowGraph) -> bytes:
    """The file that the host's program of a package loads, to compute what ``network`` computes.

    Raises BadInput where the package has fixed weights or was changed, or where the network does not fit: it
    names the layer.
    """
    about = _description(package / DESCRIPTION)
    if "weights" not in about:
        raise BadInput(
            str(package), "its weights are fixed", "make a package of a design built with --weights writable"
        )
    design = read(DATAFLOW.path(package))
    image = load_image(design)
    if about["weights"] != {"bytes": len(image), "crc32": zlib.crc32(image)}:
        raise BadInput(str(DATAFLOW.path(package)), f"is not the design of {DESCRIPTION}", _REMEDY)
    return weights_file(about["build"], image_of_other(design, network))


def _description(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(read_bytes(path, 1 << 20, _REMEDY))
    except (ValueError, RecursionError) as error:
        raise BadInput(str(path), f"is no JSON ({error})", _REMEDY) from None
    if not isinstance(found, dict) or _BUILD.fullmatch(str(found.get("build"))) is None:
        raise BadInput(str(path), "is no description of an accelerator", _REMEDY)
    return found
