"""The registers of an accelerator on AXI4-Lite, as ``component.xml`` and the package's README list them.

``sv/etb_axi_registers.sv`` has them in gates, ``host/zynq.py`` and ``c/etb_accelerator.c`` use them; a test
holds all of them together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

WINDOW = 4096  # bytes of addresses: the least that AXI gives a slave; the registers repeat in it


@dataclass(frozen=True)
class Register:
    """32 bits at a byte address; ``meaning`` in words."""

    offset: int
    name: str
    access: Literal["read-only", "read-write", "write-only"]
    meaning: str


_ALWAYS = (
    Register(0x00, "identity", "read-only", '"ETB1"'),
    Register(0x04, "build_low", "read-only", "build, low word"),
    Register(0x08, "build_high", "read-only", "build, high word"),
    Register(
        0x0C, "control", "read-write", "bit 0 start, 1 soft reset (clears itself), 2 TLAST changes nothing"
    ),
    Register(0x10, "status", "read-only", "bit 0 idle, 1 in reset"),
    Register(
        0x14, "packet", "read-write", "frames from one TLAST to the next; written only where all is idle"
    ),
    Register(0x18, "frames_in", "read-only", "frames that came"),
    Register(0x1C, "frames_out", "read-only", "frames that went"),
    Register(0x20, "input_waited", "read-only", "cycles in which input waited for the design"),
    Register(0x24, "output_waited", "read-only", "cycles in which output waited for its reader"),
    Register(0x28, "ended_early", "read-only", "packets that ended early: filled with zeros"),
    Register(0x2C, "no_end", "read-only", "packets without an end: cut"),
    Register(0x30, "odd_keep", "read-only", "words with a part of their bytes"),
    Register(0x34, "busy", "read-only", "cycles in which the accelerator was not idle"),
    Register(0x38, "bytes_in", "read-only", "bytes of a frame on the bus, in"),
    Register(0x3C, "bytes_out", "read-only", "bytes of a frame on the bus, out"),
)
_WRITABLE = (
    Register(0x40, "load", "read-write", "write: bit 0 open, 1 check, 2 close; read: bit 0 opened, 1 busy"),
    Register(0x44, "load_word", "write-only", "the next four bytes of weights, the low one first"),
    Register(0x48, "load_crc", "read-only", "CRC-32 of the last check"),
    Register(0x4C, "load_bytes", "read-only", "bytes of weights"),
)


def registers(writable: bool) -> Sequence[Register]:
    """All of them, by address; ``writable``: whether the design's weights are."""
    return _ALWAYS + _WRITABLE if writable else _ALWAYS


def registers_text(writable: bool) -> str:
    """A table in Markdown."""
    marks = {"read-only": "r", "write-only": "w", "read-write": "rw"}
    rows = (f"| {r.offset:02X} | `{r.name}` | {marks[r.access]} | {r.meaning} |" for r in registers(writable))
    return "\n".join(("| address | name | | |", "| --- | --- | --- | --- |", *rows))
