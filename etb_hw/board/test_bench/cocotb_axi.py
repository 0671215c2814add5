"""The accelerator between the bus models of cocotbext-axi: golden frames in and out, faults, and recovery.

frames_in.mem and frames_out.mem hold a word of the bus a line, frame after frame, so many frames as there are
lines. To try frames of your own, put theirs there; to try more, add a function as those below:
`started(dut)` gives it the accelerator after reset, with random pauses on the channels of its registers.
"""

from __future__ import annotations

import json
import logging
import random
import zlib
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles
from cocotbext.axi import (
    AxiLiteBus,
    AxiLiteMaster,
    AxiStreamBus,
    AxiStreamFrame,
    AxiStreamSink,
    AxiStreamSource,
)

from etb_hw.board.host.weights import read_weights
from etb_hw.board.host.zynq import (
    CHECK,
    CLOSE,
    CONTROL,
    COUNTS,
    DAMAGE,
    IDENTITY,
    LOAD,
    LOAD_CRC,
    LOAD_WORD,
    LOADING,
    OPEN,
    PACKET,
    SOFT_RESET,
    START,
    STATUS,
    VALUE,
)

HERE = Path(__file__).resolve().parent
ABOUT = json.loads((HERE.parent / "accelerator.json").read_text(encoding="utf-8"))
PERIOD = 10  # ns
WEIGHTS = ABOUT.get("weights", {"bytes": 0})["bytes"]


def golden(name: str, size: int) -> list[bytes]:
    """Frames of ``size`` bytes of a memory file."""
    words = (HERE / f"{name}.mem").read_text(encoding="ascii").split()
    data = b"".join(bytes.fromhex(word)[::-1] for word in words)
    return [data[i : i + size] for i in range(0, len(data), size)]


GIVEN = golden("frames_in", ABOUT["input"]["bytes"])
EXPECTED = golden("frames_out", ABOUT["output"]["bytes"])
BUS = len((HERE / "frames_in.mem").read_text(encoding="ascii").split()[0]) // 2  # bytes
# many times what the longest test needs
FRAME = ABOUT["cycles_a_frame"] + 10 * len(GIVEN[0] + EXPECTED[0])
LONGEST = PERIOD * ((1000 + FRAME) * (200 + 20 * len(GIVEN)) + 100 * WEIGHTS)
test = partial(cocotb.test, timeout_time=LONGEST, timeout_unit="ns")


def pauses(share: float) -> Iterator[bool]:
    """Whether a channel holds back, cycle by cycle."""
    return (random.random() < share for _ in count())


class Bench:
    """The accelerator with a model at each of its buses."""

    def __init__(self, dut: Any) -> None:
        logging.getLogger(f"cocotb.{dut._name}").setLevel(logging.ERROR)
        self.dut = dut
        wires = (dut.aclk, dut.aresetn, False)
        self.registers = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi"), *wires)
        self.source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), *wires)
        self.sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), *wires)
        write, read = self.registers.write_if, self.registers.read_if
        for channel in (write.aw_channel, write.w_channel, write.b_channel, read.ar_channel, read.r_channel):
            channel.set_pause_generator(pauses(0.4))

    async def reset(self) -> None:
        """By the pin."""
        self.dut.aresetn.value = 0
        await ClockCycles(self.dut.aclk, 4)
        self.forget()
        self.dut.aresetn.value = 1
        await ClockCycles(self.dut.aclk, 2)

    async def soft_reset(self) -> None:
        """By the register; what feeds the streams is stopped before."""
        self.source.assert_reset(True)
        await self.write(CONTROL, SOFT_RESET)
        self.sink.assert_reset(True)
        while await self.read(STATUS) != 1:
            pass
        self.forget()
        self.source.assert_reset(False)
        self.sink.assert_reset(False)

    def forget(self) -> None:
        """What was to be sent, and what came."""
        self.source.clear()
        self.sink.clear()

    async def read(self, address: int) -> int:
        return int(await self.registers.read_dword(address))

    async def write(self, address: int, value: int) -> None:
        await self.registers.write_dword(address, value)

    async def counts(self) -> dict[str, int]:
        return {name: await self.read(address) for name, address in COUNTS.items()}

    async def damage(self) -> tuple[int, ...]:
        """Packets that ended early, packets without an end, words with a part of their bytes."""
        return tuple([await self.read(COUNTS[name]) for name in DAMAGE])

    async def loader(self, command: int) -> None:
        await self.write(LOAD, command)
        while await self.read(LOAD) & LOADING:
            pass

    def stalls(self, sending: float, receiving: float) -> None:
        """How often the streams hold back."""
        for stream, share in ((self.source, sending), (self.sink, receiving)):
            stream.set_pause_generator(pauses(share) if share else None)
            stream.pause = False

    async def packet(self, frames: int) -> bytes:
        """The next packet from the accelerator; it must be whole, and hold so many frames."""
        found = await self.sink.recv(compact=False)
        assert all(found.tkeep), "a word leaves bytes out"
        assert len(found) == frames * len(EXPECTED[0]), "TLAST is not at the end of the packet"
        return bytes(found)

    async def is_right(self, frames: int = 2, packet: int = 1) -> None:
        """The first golden frames, in packets of so many, give what they must, and no damage is counted."""
        before = await self.damage()
        await self.write(PACKET, packet)
        starts = range(0, min(frames, len(GIVEN)) // packet * packet, packet)
        for first in starts:
            await self.source.send(b"".join(GIVEN[first : first + packet]))
        for first in starts:
            assert await self.packet(packet) == b"".join(EXPECTED[first : first + packet]), f"frame {first}"
        assert await self.damage() == before


async def started(dut: Any) -> Bench:
    """The accelerator after reset, started."""
    Clock(dut.aclk, PERIOD, "ns").start()
    bench = Bench(dut)
    await bench.reset()
    await bench.write(CONTROL, START)
    return bench


@test()
async def it_is_this_build(dut: Any) -> None:
    bench = await started(dut)
    assert await bench.read(IDENTITY) == VALUE
    assert f"{await bench.read(8):08x}{await bench.read(4):08x}" == ABOUT["build"]
    assert (await bench.read(0x38), await bench.read(0x3C)) == (len(GIVEN[0]), len(EXPECTED[0]))
    assert set((await bench.counts()).values()) == {0}
    await bench.write(IDENTITY, 7)
    assert await bench.read(IDENTITY) == VALUE


@test()
async def golden_frames(dut: Any) -> None:
    bench = await started(dut)
    frames = 0
    for sending, receiving in ((0.0, 0.0), (0.6, 0.0), (0.0, 0.6), (0.4, 0.4)):
        bench.stalls(sending, receiving)
        await bench.is_right(len(GIVEN), len(GIVEN) if sending == receiving else 1)
        frames += len(GIVEN)
        found = await bench.counts()
        assert (found["frames_in"], found["frames_out"]) == (frames, frames)
    assert found["output_waited"] > 0
    assert await bench.read(STATUS) == 1, "it is not idle"


@test()
async def a_packet_that_ends_early(dut: Any) -> None:
    """It is filled with zeros and counted."""
    bench = await started(dut)
    words = len(GIVEN[0]) // BUS
    for i, kept in enumerate(sorted({words // 2, words - 1} - {0})):
        await bench.source.send(GIVEN[0][: kept * BUS])
        await bench.packet(1)
        assert await bench.damage() == (i + 1, 0, 0)
        await bench.is_right()


@test()
async def a_packet_that_lacks_frames(dut: Any) -> None:
    """What came of it is right, and what is missing is filled with zeros and counted."""
    bench = await started(dut)
    bench.stalls(0.3, 0.3)
    await bench.write(PACKET, 3)
    await bench.source.send(GIVEN[0])
    assert (await bench.packet(3)).startswith(EXPECTED[0])
    assert await bench.damage() == (1, 0, 0)
    await bench.is_right()


@test()
async def a_packet_that_does_not_end(dut: Any) -> None:
    """It is cut at its next TLAST and counted."""
    bench = await started(dut)
    for i, more in enumerate((GIVEN[-1][:BUS], GIVEN[-1] + GIVEN[0])):
        await bench.source.send(GIVEN[0] + more)
        assert await bench.packet(1) == EXPECTED[0]
        assert await bench.damage() == (0, i + 1, 0)
        await bench.is_right()


@test()
async def words_without_bytes(dut: Any) -> None:
    """They carry nothing, wherever they are."""
    bench = await started(dut)
    bench.stalls(0.3, 0.0)
    none, all_of_it = [0] * BUS, [1] * BUS
    data, keep = b"", []
    for i in range(0, len(GIVEN[0]), BUS):
        empty = random.randrange(3)
        data += bytes([0xA5] * BUS * empty) + GIVEN[0][i : i + BUS]
        keep += none * empty + all_of_it
    await bench.source.send(AxiStreamFrame(data, keep))
    assert await bench.packet(1) == EXPECTED[0]
    assert await bench.damage() == (0, 0, 0)
    await bench.is_right()


@test(skip=BUS == 1)
async def a_word_without_all_its_bytes(dut: Any) -> None:
    """It is counted; what it leaves out is zero."""
    bench = await started(dut)
    await bench.source.send(GIVEN[0][:-1])
    await bench.packet(1)
    assert await bench.damage() == (0, 0, 1)
    await bench.is_right()


@test()
async def a_reset_in_mid_frame(dut: Any) -> None:
    """Whether by the register or by the pin: the next frames are right."""
    bench = await started(dut)
    for cycles in (1, 30, 77, 300):
        for reset in (bench.soft_reset, bench.reset):
            bench.stalls(0.5, 0.7)
            await bench.source.send(b"".join(GIVEN))
            await ClockCycles(dut.aclk, cycles)
            bench.stalls(0.0, 0.0)
            await reset()
            await bench.write(CONTROL, START)
            assert set((await bench.counts()).values()) == {0}
            await bench.is_right()


@test(skip=not 0 < WEIGHTS <= 16384)  # longer ones take minutes
async def writable_weights(dut: Any) -> None:
    """Their checksum is that of what was written, damaged or not; then frames are as before."""
    bench = await started(dut)
    image = read_weights(HERE.parent / "weights.bin", ABOUT)
    damaged = bytes([image[0] ^ 1]) + image[1:]
    await bench.loader(CHECK)
    assert await bench.read(LOAD_CRC) == zlib.crc32(image)
    for content in (damaged, image):
        await bench.loader(OPEN)
        for i in range(0, len(content), 4):
            await bench.write(LOAD_WORD, int.from_bytes(content[i : i + 4], "little"))
        await bench.loader(CHECK)
        assert await bench.read(LOAD_CRC) == zlib.crc32(content)
    await bench.loader(CLOSE)
    await bench.soft_reset()
    await bench.write(CONTROL, START)
    await bench.is_right()
