"""Files of weights, as ``etb-hw weights`` makes them for one package and ``Accelerator.load`` writes them."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .frames import BoardError

MAGIC = b"ETBW1\n"  # then a line of JSON, then the bytes of the memories in the order of their chain


def weights_file(build: str, image: bytes) -> bytes:
    """The content of a file of weights for the package of a build."""
    about = {"build": build, "bytes": len(image), "crc32": zlib.crc32(image)}
    return MAGIC + json.dumps(about).encode("ascii") + b"\n" + image


def read_weights(path: Path | str, description: Mapping[str, Any]) -> bytes:
    """What a file of weights holds, for the accelerator of ``accelerator.json``. Raises BoardError."""
    remake = "make it again: etb-hw weights DESIGN --for PACKAGE"
    if "weights" not in description:
        raise BoardError("this accelerator's weights are fixed: it was built without --weights writable")
    head, _, rest = Path(path).read_bytes().partition(b"\n")
    about, _, image = rest.partition(b"\n")
    try:
        known = json.loads(about) if head + b"\n" == MAGIC else None
    except (ValueError, RecursionError):
        known = None
    if not isinstance(known, dict):
        raise BoardError(f"{path} is no file of weights; {remake}")
    if known.get("build") != description["build"]:
        raise BoardError(
            f"{path} is for build {known.get('build')}, the accelerator is build {description['build']}; "
            "make one for this package: etb-hw weights DESIGN --for PACKAGE"
        )
    if len(image) != description["weights"]["bytes"] or zlib.crc32(image) != known.get("crc32"):
        raise BoardError(f"{path} is damaged ({len(image)} bytes); {remake}")
    return image


def verified(found: int, image: bytes) -> None:
    """Raise BoardError where the checksum that was read back is not the image's."""
    if found != zlib.crc32(image):
        raise BoardError(
            f"the weights read back have checksum {found:08x}, not {zlib.crc32(image):08x}: load them again "
            "(until then the accelerator stays in reset)"
        )
