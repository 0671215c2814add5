"""Talk to the accelerator on a Zynq under PYNQ: images in, logits out.

Copy the folder ``host``, with ``accelerator.json`` and the bitfile beside it, to the board. It needs numpy
and pynq, which PYNQ's images have.

    from host import Accelerator
    with Accelerator("etb.bit") as accelerator:
        logits = accelerator.infer(images)          # integers (N, ...), as the network's integer graph gives
        classes = accelerator.classify(images)      # the largest logit of each

Frames go through an AXI DMA in packets of up to ``batch``. Every packet's length and the accelerator's counts
of damaged ones are checked; after an error both are reset, and the next packet is right.
Where the design was built with writable weights, ``accelerator.load("weights.bin")`` puts another network of
the same shape into it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import numpy as np

from .frames import BoardError, checked, from_bytes, to_bytes
from .weights import read_weights, verified

IDENTITY, VALUE = 0x00, 0x45544231
CONTROL, STATUS, PACKET = 0x0C, 0x10, 0x14
START, SOFT_RESET = 1, 2
IDLE, IN_RESET = 1, 2
COUNTS = {
    "frames_in": 0x18, "frames_out": 0x1C, "input_waited": 0x20, "output_waited": 0x24, "ended_early": 0x28,
    "no_end": 0x2C, "odd_keep": 0x30, "busy": 0x34,
}  # fmt: skip
LOAD, LOAD_WORD, LOAD_CRC = 0x40, 0x44, 0x48
OPEN, CHECK, CLOSE = 1, 2, 4
OPENED, LOADING = 1, 2
DAMAGE = ("ended_early", "no_end", "odd_keep")
# AXI DMA, simple mode (AMD PG021): control, status, address, its upper half, length; a channel each way
SEND, RECEIVE = (0x00, 0x04, 0x18, 0x1C, 0x28), (0x30, 0x34, 0x48, 0x4C, 0x58)
RUN, DMA_RESET, DMA_IDLE, DMA_ERRORS = 1, 4, 2, 0x70
LONGEST, MOST = (1 << 26) - 1, 65535  # bytes of a DMA transfer, frames of a packet


class Registers(Protocol):
    """Registers by byte offset, as ``pynq.MMIO`` has them."""

    def read(self, offset: int, /) -> int: ...

    def write(self, offset: int, value: int, /) -> None: ...


class Hardware(Protocol):
    """The two register banks, and memory that the DMA sees.

    ``allocate`` gives what ``pynq.allocate`` does: an array of bytes with ``physical_address``, ``flush`` and
    ``invalidate``.
    """

    registers: Registers
    dma: Registers

    def allocate(self, size: int, /) -> Any: ...

    def close(self) -> None: ...


class Pynq:
    """The hardware under PYNQ; loads the bitfile."""

    def __init__(self, bitfile: Path | str) -> None:
        from pynq import MMIO, Overlay  # type: ignore[import-not-found,import-untyped,unused-ignore]

        self.overlay = Overlay(str(bitfile))

        def bank(name: str) -> Any:
            found = self.overlay.ip_dict[name]
            return MMIO(found["phys_addr"], found["addr_range"])

        self.registers, self.dma = bank("etb_accelerator_0"), bank("axi_dma_0")

    def allocate(self, size: int) -> Any:
        from pynq import allocate

        return allocate(shape=(size,), dtype=np.uint8)

    def close(self) -> None:
        self.overlay.free()


class Accelerator:
    """The design of ``accelerator.json`` in a Zynq's logic.

    Args:
        bitfile: what to load; its block design's ``.hwh`` lies beside it.
        description: ``accelerator.json``, or what it holds.
        hardware: another way to the registers than PYNQ's.
        batch: frames a packet at most.
        timeout: seconds to wait for a packet.

    Raises:
        BoardError: the bitfile holds no accelerator, or another build.
    """

    def __init__(
        self,
        bitfile: Path | str | None = None,
        description: Path | str | Mapping[str, Any] | None = None,
        *,
        hardware: Hardware | None = None,
        batch: int = 256,
        timeout: float = 10.0,
    ) -> None:
        if not isinstance(description, Mapping):
            path = Path(description or Path(__file__).parents[1] / "accelerator.json")
            description = json.loads(path.read_text(encoding="utf-8"))
        assert isinstance(description, Mapping)
        if hardware is None:
            if bitfile is None:
                raise ValueError("give a bitfile")
            hardware = Pynq(bitfile)
        self.hardware, self.description, self.timeout = hardware, description, timeout
        self._check_build()
        taken, given = description["input"]["bytes"], description["output"]["bytes"]
        self.batch = max(1, min(batch, MOST, LONGEST // max(taken, given)))
        self._sent = hardware.allocate(self.batch * taken)
        self._received = hardware.allocate(self.batch * given)
        self.reset()

    def __enter__(self) -> Accelerator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self.hardware.close()

    def infer(self, images: Any) -> Any:
        """Integer results (N, ...) of images (N, H, W, C), (N, H, W) of one channel, or (N, features)."""
        taken, given = self.description["input"], self.description["output"]
        batch = checked(images, taken)
        results: list[bytes] = []
        for start in range(0, len(batch), self.batch):
            results += self.send(to_bytes(batch[start : start + self.batch], taken))
        return from_bytes(results, given)

    def classify(self, images: Any) -> Any:
        """The index of the largest logit of each image, (N,)."""
        return self.infer(images).reshape(len(images), -1).argmax(axis=1)

    def info(self) -> dict[str, int]:
        """What the accelerator counts since its last reset, in frames, cycles and packets."""
        return {name: self.hardware.registers.read(offset) for name, offset in COUNTS.items()}

    def load(self, weights: Path | str) -> None:
        """Write a file that ``etb-hw weights`` made, and verify it by a checksum that is read back.

        Raises BoardError for a file of another build or a damaged one, before anything is written, and where
        the checksum is another one: the accelerator then takes no frames until weights were loaded.
        """
        image, write = read_weights(weights, self.description), self.hardware.registers.write
        self._loader(OPEN)
        for start in range(0, len(image), 4):
            write(LOAD_WORD, int.from_bytes(image[start : start + 4], "little"))
        verified(self._checked(), image)
        self._loader(CLOSE)
        self.reset()

    def weights(self) -> int:
        """The CRC-32 of the weights in the accelerator, read back now."""
        if "weights" not in self.description:
            raise BoardError("this accelerator's weights are fixed")
        found = self._checked()
        self.reset()
        return found

    def _checked(self) -> int:
        self._loader(CHECK)
        return self.hardware.registers.read(LOAD_CRC)

    def _loader(self, command: int) -> None:
        registers = self.hardware.registers
        registers.write(LOAD, command)
        self._until(lambda: not registers.read(LOAD) & LOADING, "the loader of weights does not end")

    @property
    def _incomplete(self) -> bool:
        """Whether half of a network is in the accelerator, which is then held in reset."""
        return bool("weights" in self.description and self.hardware.registers.read(LOAD) & OPENED)

    def reset(self) -> None:
        """Reset DMA, accelerator and all counts."""
        dma, registers = self.hardware.dma, self.hardware.registers
        dma.write(SEND[0], DMA_RESET)
        self._until(
            lambda: not (dma.read(SEND[0]) | dma.read(RECEIVE[0])) & DMA_RESET, "the DMA stays in reset"
        )
        registers.write(CONTROL, SOFT_RESET)
        if not self._incomplete:
            self._until(lambda: not registers.read(STATUS) & IN_RESET, "the accelerator stays in reset")
        registers.write(CONTROL, START)
        dma.write(SEND[0], RUN)
        dma.write(RECEIVE[0], RUN)

    def send(self, frames: Any) -> list[bytes]:
        """One packet of frames as they travel, (N, bytes), to those that come back. Raises BoardError."""
        if self._incomplete:
            raise BoardError("its weights are not complete: load them again")
        size = self.description["output"]["bytes"]
        before = self.info()
        registers, dma = self.hardware.registers, self.hardware.dma
        registers.write(PACKET, len(frames))
        if registers.read(PACKET) != len(frames):
            self._failed(before, "the accelerator is not idle")
        flat = frames.reshape(-1)
        self._sent[: flat.size] = flat
        self._sent.flush()
        self._start(RECEIVE, self._received, len(frames) * size)
        self._start(SEND, self._sent, flat.size)
        end = time.monotonic() + self.timeout
        while True:
            states = dma.read(SEND[1]), dma.read(RECEIVE[1])
            if any(state & DMA_ERRORS for state in states):
                self._failed(before, f"the DMA reports an error (status {states[0]:08x}, {states[1]:08x})")
            if all(state & DMA_IDLE for state in states):
                break
            if time.monotonic() > end:
                self._failed(before, f"no result within {self.timeout:g} s")
        came = dma.read(RECEIVE[4])
        after = self.info()
        if came != len(frames) * size:
            self._failed(before, f"{came} bytes came instead of {len(frames) * size}")
        if any(after[name] != before[name] for name in DAMAGE):
            self._failed(before, "the packet was damaged")
        self._received.invalidate()
        found = bytes(self._received[: len(frames) * size])
        return [found[i : i + size] for i in range(0, len(found), size)]

    def _start(self, channel: tuple[int, ...], buffer: Any, size: int) -> None:
        address = int(buffer.physical_address)
        self.hardware.dma.write(channel[2], address & 0xFFFFFFFF)
        self.hardware.dma.write(channel[3], address >> 32)
        self.hardware.dma.write(channel[4], size)

    def _check_build(self) -> None:
        read = self.hardware.registers.read
        if read(IDENTITY) != VALUE:
            raise BoardError(f"there is no accelerator of etb_hw: it says {read(IDENTITY):08x}")
        build = f"{read(8) << 32 | read(4):016x}"
        if build != self.description["build"]:
            raise BoardError(
                f"the board holds build {build}, accelerator.json is of {self.description['build']}"
            )

    def _failed(self, before: Mapping[str, int], reason: str) -> None:
        """Reset, and raise what went wrong."""
        now = self.info()
        changed = ", ".join(
            f"{name} +{now[name] - before[name]}" for name in COUNTS if now[name] != before[name]
        )
        self.reset()
        raise BoardError(f"{reason} (counts: {changed or 'none changed'}); DMA and accelerator were reset")

    def _until(self, done: Any, problem: str) -> None:
        end = time.monotonic() + self.timeout
        while not done():
            if time.monotonic() > end:
                raise BoardError(problem)
