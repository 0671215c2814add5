"""The accelerator for a Zynq in Verilator, with a DMA and memory around it, for the host's own programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from etb_hw.board.host.frames import BoardError, from_bytes, to_bytes
from etb_hw.board.host.zynq import Registers
from etb_hw.board.pipes import PipedModel
from etb_hw.board.zynq.c_driver import design_header, driver_sources
from etb_hw.board.zynq.gateware import ACCELERATOR, bus_of, gateware, ports
from etb_hw.dataflow.graph import DataflowGraph
from etb_hw.rtl import cache, verilator
from etb_hw.rtl.tools import Origin
from etb_hw.rtl.verilator import SIM, SimModel

DMA = 0x10000


def build_model(design: DataflowGraph, tools: Origin = "pinned") -> SimModel:
    """The top of the package, and the C driver of the package, behind ``axi_harness.cpp``."""
    sources, build = gateware(design)
    names = ports(design)
    heads = ",\n".join(f"  {port.direction} logic [{port.bits - 1}:0] {port.name}" for port in names)
    sources[f"{SIM}.sv"] = f"module {SIM} (\n{heads}\n);\n  {ACCELERATOR} dut (.*);\nendmodule\n"
    driver = [design_header(design, build), *driver_sources().values()]
    buses = f"#define ETB_IN_BUS {bus_of(design.input_stream).size}\n"
    buses += f"#define ETB_OUT_BUS {bus_of(design.output_stream).size}\n"
    text = (files("etb_hw.board.zynq") / "axi_harness.cpp").read_text(encoding="utf-8")
    own = ('#include "etb_accelerator.h"', '#include "etb_design.h"')
    code = "\n".join(line for part in driver for line in part.splitlines() if line not in own)
    harness = text.replace("//@DRIVER@", f"{buses}{code}\n")
    return verilator.build(sources, (), harness=harness, cache_dir=cache.DEFAULT, tools=tools)


@dataclass(frozen=True)
class Bank:
    """Registers from an address on, as ``pynq.MMIO`` has them."""

    model: PipedModel
    base: int

    def read(self, offset: int, /) -> int:
        self.model.tell("r", self.base + offset)
        return self.model.number()

    def write(self, offset: int, value: int, /) -> None:
        self.model.tell("w", self.base + offset, value)


class Buffer(np.ndarray[Any, np.dtype[np.uint8]]):
    """Bytes as ``pynq.allocate`` gives them: the hardware sees them after ``flush``."""

    model: PipedModel
    physical_address: int

    def flush(self) -> None:
        self.model.tell("P", *_halves(self.physical_address), self.nbytes, data=self.tobytes())

    def invalidate(self) -> None:
        self.model.tell("G", *_halves(self.physical_address), self.nbytes)
        self[:] = np.frombuffer(self.model.answer(self.nbytes), dtype=np.uint8)


class SimulatedZynq(PipedModel):
    """The hardware that ``host/zynq.py`` and the C driver drive; time passes with every access."""

    def __init__(self, design: DataflowGraph, *, tools: Origin = "pinned", seed: int = 1) -> None:
        super().__init__(build_model(design, tools), seed)
        self.registers: Registers = Bank(self, 0)
        self.dma: Registers = Bank(self, DMA)

    def allocate(self, size: int, /) -> Buffer:
        self.tell("A", size)
        buffer = np.zeros(size, dtype=np.uint8).view(Buffer)
        buffer.model = self
        buffer.physical_address = int.from_bytes(self.answer(8), "little")
        return buffer

    def stalls(self, sending: float, receiving: float) -> None:
        """How often the DMA holds back, either way."""
        self.tell("S", *(min(255, round(256 * share)) for share in (sending, receiving)))

    def without_tlast(self, on: bool) -> None:
        """Whether the DMA leaves TLAST out."""
        self.tell("T", int(on))

    def damage_word(self, count: int) -> None:
        """One bit of the ``count``-th word of weights from now on arrives wrong."""
        self.tell("D", count)

    def reset(self, cycles: int = 3) -> None:
        """Hold the reset of accelerator and DMA."""
        self.tell("X", cycles)

    def idle(self, cycles: int) -> None:
        """Let time pass."""
        self.tell("I", cycles)

    def c_open(self) -> int:
        """``etb_open`` of the C driver."""
        self.tell("O")
        return _signed(self.number())

    def c_infer(self, frames: Any, size: int) -> tuple[int, Sequence[bytes]]:
        """``etb_infer`` of the C driver on frames (N, bytes): its result, and frames of ``size`` bytes."""
        self.tell("C", len(frames), data=frames.tobytes())
        status, found = _signed(self.number()), self.answer(len(frames) * size)
        return status, [found[i : i + size] for i in range(0, len(found), size)]

    def c_load(self, file: bytes) -> int:
        """``etb_load`` of the C driver on a file of weights."""
        self.tell("L", len(file), data=file)
        return _signed(self.number())

    def c_weights_crc(self) -> tuple[int, int]:
        """``etb_weights_crc`` of the C driver: its result, and the checksum."""
        self.tell("K")
        return _signed(self.number()), self.number()


@dataclass(frozen=True)
class CDriver:
    """The C driver as an accelerator; what it does not take ends in BoardError."""

    hardware: SimulatedZynq
    description: Mapping[str, Any]

    def open(self) -> None:
        self._checked("etb_open", self.hardware.c_open())

    def load(self, weights: Path | str, /) -> None:
        self._checked("etb_load", self.hardware.c_load(Path(weights).read_bytes()))

    def infer(self, images: Any) -> Any:
        """Integer results (N, ...) of images (N, ...), in one packet."""
        taken, given = self.description["input"], self.description["output"]
        status, replies = self.hardware.c_infer(to_bytes(images, taken), given["bytes"])
        self._checked("etb_infer", status)
        return from_bytes(replies, given)

    def _checked(self, function: str, status: int) -> None:
        if status:
            raise BoardError(f"{function} of the C driver gives {status}")


def _halves(value: int) -> tuple[int, int]:
    return value & 0xFFFFFFFF, value >> 32


def _signed(value: int) -> int:
    return value - (1 << 32) if value >> 31 else value
