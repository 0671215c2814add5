"""What a host has to know of a design, whatever way it reaches it."""

from __future__ import annotations

from typing import Any

from etb_hw.dataflow.graph import DataflowGraph
from etb_hw.dataflow.stream import Stream
from etb_hw.rtl import cache
from etb_hw.rtl.generator import generate


def design_sources(design: DataflowGraph) -> dict[str, str]:
    """The design's own modules and memories, by file name."""
    return {name: text for name, text in generate(design).items() if name.endswith((".sv", ".mem"))}


def build_id(sources: dict[str, str]) -> str:
    """16 hexadecimal digits that stand for the sources: the host refuses to talk to another build."""
    return cache.key_of([part for item in sorted(sources.items()) for part in item])[:16]


def stream_description(stream: Stream, beat_bytes: int) -> dict[str, Any]:
    """A stream for ``host/frames.py``: shape, type, and how its values lie in bytes."""
    return {
        "shape": list(stream.shape), "type": stream.dtype.name, "bits": stream.dtype.bits,
        "min": stream.dtype.min, "max": stream.dtype.max, "step": stream.dtype.step, "lanes": stream.lanes,
        "beat_bytes": beat_bytes, "bytes": beat_bytes * stream.beats,
    }  # fmt: skip
