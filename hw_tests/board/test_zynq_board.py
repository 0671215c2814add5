"""The whole top for a Zynq in Verilator, with both drivers before it, and what Vivado is given."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from etb_hw.board import boards, find_board, package, random_trial
from etb_hw.board.host import zynq
from etb_hw.board.host.frames import BoardError, from_bytes, to_bytes
from etb_hw.board.host.zynq import CONTROL, PACKET, RECEIVE, SEND, SOFT_RESET, START, STATUS, Accelerator
from etb_hw.board.zynq.c_driver import design_header, driver_sources
from etb_hw.board.zynq.gateware import gateware, ports
from etb_hw.board.zynq.ipxact import SPIRIT
from etb_hw.board.zynq.package import description
from etb_hw.board.zynq.registers import registers
from etb_hw.board.zynq.simulated import SimulatedZynq
from etb_hw.cli import main
from etb_hw.dataflow import DataflowGraph, finn
from etb_hw.dataflow.folding import Effort, Target, fold
from etb_hw.dataflow.lower import lower
from etb_hw.dataflow.simulation import size_fifos
from etb_hw.errors import BadInput, InfeasibleTarget
from etb_hw.rtl.tools import find_compiler
from hw_tests.board.designs import colour, large, small, unrolled
from hw_tests.board.packaged import host_of
from hw_tests.board.pynq_stub import pynq_stub
from hw_tests.board.reloading import hardware, network
from hw_tests.networks import pruned_vgg_small

Z2 = find_board("pynq-z2")
FRAMES = 7


class Case:
    """A design, frames, and what must come of them."""

    def __init__(self, design: DataflowGraph) -> None:
        assert Z2.kind == "zynq"
        self.design = design
        self.about = description(design, Z2, 100.0, gateware(design)[1])
        trial = random_trial(design, FRAMES)
        self.images, self.expected = trial.images, trial.expected
        self.bytes = to_bytes(self.images, self.about["input"])

    def accelerator(self, hardware: SimulatedZynq, **more: Any) -> Accelerator:
        return Accelerator(description=self.about, hardware=hardware, **more)


CASES = {made.__name__: Case(made()) for made in (small, colour, unrolled)}
ALL = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
WIDE = CASES["colour"]


@pytest.fixture
def board(case: Case) -> Iterator[SimulatedZynq]:
    with SimulatedZynq(case.design) as hardware:
        yield hardware


def recovers(case: Case, accelerator: Accelerator) -> None:
    """The next frames are right."""
    np.testing.assert_array_equal(accelerator.infer(case.images), case.expected)


@ALL
@pytest.mark.parametrize(("sending", "receiving"), [(0.0, 0.0), (0.7, 0.0), (0.0, 0.7), (0.5, 0.5)])
def test_images_in_logits_out(case: Case, board: SimulatedZynq, sending: float, receiving: float) -> None:
    board.stalls(sending, receiving)
    accelerator = case.accelerator(board, batch=3)
    np.testing.assert_array_equal(accelerator.infer(case.images), case.expected)
    classes = case.expected.reshape(FRAMES, -1).argmax(axis=1)
    np.testing.assert_array_equal(accelerator.classify(case.images), classes)
    info = accelerator.info()
    assert info["frames_in"] == info["frames_out"] == 2 * FRAMES
    assert info["ended_early"] == info["no_end"] == info["odd_keep"] == 0
    assert info["busy"] >= FRAMES * case.design.bottleneck.cycles
    assert (info["output_waited"] > 0) == (receiving > 0)
    assert accelerator.hardware.registers.read(STATUS) == 1
    accelerator.reset()
    assert set(accelerator.info().values()) == {0}
    recovers(case, accelerator)


@ALL
def test_the_c_driver_gives_the_same(case: Case, board: SimulatedZynq) -> None:
    assert board.c_open() == 0
    for stalls in (0.0, 0.4):
        board.stalls(stalls, stalls)
        status, frames = board.c_infer(case.bytes, case.about["output"]["bytes"])
        assert status == 0
        np.testing.assert_array_equal(from_bytes(frames, case.about["output"]), case.expected)
    status, _ = board.c_infer(case.bytes[:0], case.about["output"]["bytes"])
    assert status == 0


def raw(accelerator: Accelerator, data: bytes, packet: int, size: int) -> tuple[bytes, list[int]]:
    """Send bytes as one packet, whatever their number; the ``size`` bytes that come back, and both states."""
    hardware = accelerator.hardware
    hardware.registers.write(PACKET, packet)
    sent, received = hardware.allocate(len(data)), hardware.allocate(size)
    sent[:] = np.frombuffer(data, dtype=np.uint8)
    sent.flush()
    for channel, buffer in ((RECEIVE, received), (SEND, sent)):
        hardware.dma.write(channel[2], buffer.physical_address & 0xFFFFFFFF)
        hardware.dma.write(channel[3], buffer.physical_address >> 32)
        hardware.dma.write(channel[4], buffer.nbytes)
    hardware.idle(40_000)  # type: ignore[attr-defined]
    received.invalidate()
    return bytes(received), [hardware.dma.read(channel[1]) & 2 for channel in (SEND, RECEIVE)]


@ALL
def test_a_short_packet_is_filled_with_zeros_and_counted(case: Case, board: SimulatedZynq) -> None:
    accelerator, size = case.accelerator(board), case.about["output"]["bytes"]
    bus = case.about["input"]["beat_bytes"] if case.about["input"]["beat_bytes"] < 8 else 8
    whole = case.bytes[0].tobytes()
    kept = len(whole) // (2 * bus) * bus
    found, states = raw(accelerator, whole[:kept], 1, size)
    assert states == [2, 2]  # TLAST came at the frame's end: nothing hangs
    padded = np.frombuffer(whole[:kept] + bytes(len(whole) - kept), dtype=np.uint8)
    image = from_bytes([padded.tobytes()], case.about["input"])
    expected = case.design.execute(image).reshape(case.expected[:1].shape)
    np.testing.assert_array_equal(from_bytes([found], case.about["output"]), expected)
    info = accelerator.info()
    assert (info["ended_early"], info["no_end"], info["frames_out"]) == (1, 0, 1)
    recovers(case, accelerator)


@ALL
def test_a_long_packet_is_cut_and_counted(case: Case, board: SimulatedZynq) -> None:
    accelerator, size = case.accelerator(board), case.about["output"]["bytes"]
    board.stalls(0.3, 0.3)
    found, states = raw(accelerator, case.bytes[:3].tobytes(), 1, size)
    assert states == [2, 2]
    np.testing.assert_array_equal(from_bytes([found], case.about["output"]), case.expected[:1])
    info = accelerator.info()
    assert (info["ended_early"], info["no_end"], info["frames_out"]) == (0, 1, 1)
    recovers(case, accelerator)


@ALL
def test_a_short_packet_of_several_frames(case: Case, board: SimulatedZynq) -> None:
    accelerator, size = case.accelerator(board), case.about["output"]["bytes"]
    found, states = raw(accelerator, case.bytes[:2].tobytes(), 4, 4 * size)
    assert states == [2, 2]
    frames = [found[:size], found[size : 2 * size]]
    np.testing.assert_array_equal(from_bytes(frames, case.about["output"]), case.expected[:2])
    info = accelerator.info()
    assert (info["ended_early"], info["frames_out"]) == (1, 4)
    recovers(case, accelerator)


@pytest.mark.parametrize("case", [WIDE])
def test_a_missing_tlast_is_no_end_of_the_world(case: Case, board: SimulatedZynq) -> None:
    """All that the missing TLAST costs is what comes before the next one."""
    accelerator = case.accelerator(board)
    board.without_tlast(True)
    with pytest.raises(BoardError, match=r"damaged.*no_end \+1.*were reset"):
        accelerator.infer(case.images)
    board.without_tlast(False)
    recovers(case, accelerator)
    assert board.c_open() == 0
    board.without_tlast(True)
    assert board.c_infer(case.bytes, case.about["output"]["bytes"])[0] == -6
    board.without_tlast(False)
    assert board.c_infer(case.bytes, case.about["output"]["bytes"])[0] == 0


@pytest.mark.parametrize("case", [WIDE])
def test_free_running_needs_no_tlast(case: Case, board: SimulatedZynq) -> None:
    accelerator, size = case.accelerator(board), case.about["output"]["bytes"]
    board.registers.write(CONTROL, START | 4)
    board.without_tlast(True)
    for first in (0, 3):
        found, states = raw(accelerator, case.bytes[first : first + 3].tobytes(), 3, 3 * size)
        assert states == [2, 2]
        frames = [found[i : i + size] for i in range(0, len(found), size)]
        np.testing.assert_array_equal(
            from_bytes(frames, case.about["output"]), case.expected[first : first + 3]
        )
    assert accelerator.info()["no_end"] == 2


@pytest.mark.parametrize("case", [WIDE])
def test_a_word_without_all_its_bytes_is_counted(case: Case, board: SimulatedZynq) -> None:
    accelerator, size = case.accelerator(board), case.about["output"]["bytes"]
    whole = case.bytes[0].tobytes()
    found, states = raw(accelerator, whole[:-3], 1, size)  # a word of 4 bytes of which one comes
    assert states == [2, 2]
    image = from_bytes([whole[:-3] + bytes(3)], case.about["input"])
    expected = case.design.execute(image).reshape(case.expected[:1].shape)
    np.testing.assert_array_equal(from_bytes([found], case.about["output"]), expected)
    assert accelerator.info()["odd_keep"] == 1
    recovers(case, accelerator)


@ALL
@pytest.mark.parametrize("cycles", [1, 30, 77, 300])
@pytest.mark.parametrize("kind", ["reset pin", "soft reset"])
def test_a_reset_in_mid_frame(case: Case, board: SimulatedZynq, cycles: int, kind: str) -> None:
    board.stalls(0.6, 0.8)
    accelerator = case.accelerator(board)
    sent = board.allocate(case.bytes.size)
    sent[:] = case.bytes.reshape(-1)
    sent.flush()
    board.registers.write(PACKET, FRAMES)
    board.dma.write(SEND[2], sent.physical_address & 0xFFFFFFFF)
    board.dma.write(SEND[3], sent.physical_address >> 32)
    board.dma.write(SEND[4], sent.nbytes)
    board.idle(cycles)
    if kind == "reset pin":
        board.reset()
    accelerator.reset()
    recovers(case, accelerator)
    assert accelerator.info()["frames_in"] == FRAMES


@pytest.mark.parametrize("case", [CASES["small"]])
def test_the_registers(case: Case, board: SimulatedZynq) -> None:
    read, write = board.registers.read, board.registers.write
    assert (read(0x38), read(0x3C)) == (case.about["input"]["bytes"], case.about["output"]["bytes"])
    write(CONTROL, START)
    write(PACKET, 5)
    assert read(PACKET) == 5
    write(PACKET, 0)
    assert read(PACKET) == 1
    for address in (0x00, 0x18, 0x44, 0x7C):  # nobody's, or not to be written
        before = read(address)
        write(address, 0xFFFFFFFF)
        assert read(address) == before
    assert read(0x7C) == 0
    accelerator = case.accelerator(board)
    board.registers.write(CONTROL, 0)  # not started: nothing is taken
    half = case.bytes[0].tobytes()
    _, states = raw(accelerator, half, 1, case.about["output"]["bytes"])
    assert states == [0, 0]
    assert accelerator.info()["frames_in"] == 0
    accelerator.reset()
    raw(accelerator, case.bytes[:2].tobytes()[:100], 4, 1)  # in the middle of a packet: not idle
    accelerator.reset()
    write(PACKET, 9)
    write(CONTROL, START | SOFT_RESET)
    board.idle(40)
    assert (read(PACKET), read(CONTROL)) == (1, 0)


@pytest.mark.parametrize("case", [CASES["small"]])
def test_other_builds_and_other_hardware_are_refused(case: Case, board: SimulatedZynq) -> None:
    with pytest.raises(BoardError, match=r"holds build .*accelerator\.json is of 0123456789abcdef"):
        Accelerator(description={**case.about, "build": "0123456789abcdef"}, hardware=board)
    honest = board.registers.read

    class Other:
        def read(self, offset: int, /) -> int:
            return 7 if offset == 0 else honest(offset)

        def write(self, offset: int, value: int, /) -> None: ...

    board.registers = Other()
    with pytest.raises(BoardError, match=r"no accelerator of etb_hw: it says 00000007"):
        case.accelerator(board)


@pytest.mark.parametrize("case", [CASES["small"]])
def test_what_never_comes_is_an_error_and_the_next_call_is_right(case: Case, board: SimulatedZynq) -> None:
    accelerator = case.accelerator(board, timeout=0.3)
    board.registers.write(CONTROL, 0)
    with pytest.raises(BoardError, match=r"no result within 0\.3 s.*were reset"):
        accelerator.infer(case.images)
    recovers(case, accelerator)
    with pytest.raises(ValueError, match="shape"):
        accelerator.infer(case.images[:, :3])
    with pytest.raises(ValueError, match="UINT8"):
        accelerator.infer(case.images - 300)


@pytest.mark.parametrize("case", [CASES["small"]])
def test_the_driver_uses_pynq_as_it_is(
    case: Case, board: SimulatedZynq, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every call and attribute of PYNQ that it takes; a bitfile that is loaded and freed."""
    loaded: list[str] = []
    monkeypatch.setitem(sys.modules, "pynq", pynq_stub(board, loaded))
    with Accelerator(Path("etb.bit"), case.about, batch=3) as accelerator:
        np.testing.assert_array_equal(accelerator.infer(case.images), case.expected)
        assert accelerator.info()["frames_out"] == FRAMES
        assert loaded == ["etb.bit"]
    assert loaded == ["etb.bit", "free"]


# -- registers: in gates, in both drivers, and in what Vivado and people read


@pytest.mark.parametrize("case", [CASES["small"]])
def test_what_is_read_only_stays_and_nothing_else_answers(case: Case, board: SimulatedZynq) -> None:
    listed = {register.offset: register for register in registers(writable=False)}
    assert len(listed) == 16
    for address in range(0, 128, 4):
        before = board.registers.read(address)
        if address in listed and listed[address].access == "read-write":
            continue
        assert address in listed or before == 0
        board.registers.write(address, 0xFFFFFFFF)
        assert board.registers.read(address) == before
    by_name = {register.name: board.registers.read(offset) for offset, register in listed.items()}
    assert by_name["identity"] == int.from_bytes(b"ETB1", "big")
    assert f"{by_name['build_high']:08x}{by_name['build_low']:08x}" == case.about["build"]
    assert by_name["bytes_in"] == case.about["input"]["bytes"]
    assert by_name["bytes_out"] == case.about["output"]["bytes"]


def test_one_map_of_registers() -> None:
    """The table, the Python driver, the C driver and the head of the gates say the same addresses."""
    offsets = {register.name: register.offset for register in registers(writable=True)}
    assert list(offsets.values()) == list(range(0, 0x50, 4))
    ours = {
        "identity": zynq.IDENTITY, "control": zynq.CONTROL, "status": zynq.STATUS, "packet": zynq.PACKET,
        "load": zynq.LOAD, "load_word": zynq.LOAD_WORD, "load_crc": zynq.LOAD_CRC, **zynq.COUNTS,
    }  # fmt: skip
    assert ours.items() <= offsets.items()
    source = "\n".join(driver_sources().values())
    of_c = {name.lower(): int(value, 16) for name, value in re.findall(r"([A-Z_]+) = (0x\w+)", source)}
    for name in ("identity", "build_low", "build_high", "control", "status", "packet", "load", "load_crc"):
        assert of_c[name] == offsets[name]
    assert of_c["load_word"] == offsets["load_word"]
    counted = re.findall(r"c\.(\w+) = etb_read32\(a->registers \+ COUNTS(?: \+ (\d+))?\)", source)
    assert {name: of_c["counts"] + int(more or 0) for name, more in counted} == dict(zynq.COUNTS)
    gates = gateware(SMALL.design)[0]["etb_axi_registers.sv"]
    assert {4 * int(found, 16) for found in re.findall(r"5'h(\w\w)", gates)} == set(offsets.values())


# -- what Vivado is given

SMALL = CASES["small"]


@pytest.fixture(scope="module")
def packages() -> dict[str, dict[str, str]]:
    names = [name for name, board in boards().items() if board.kind == "zynq"]
    assert names == ["pynq-z1", "pynq-z2", "kv260", "zcu104"]
    made = {name: package(SMALL.design, find_board(name), trial=0) for name in names}
    return {name: {path: data.decode() for path, data in each.files.items()} for name, each in made.items()}


def test_the_component_follows_the_rules_of_ip_xact(packages: dict[str, dict[str, str]]) -> None:
    """IEEE 1685-2009: the order of elements, references that are defined, files that are there."""
    files = packages["pynq-z2"]
    root = ET.fromstring(files["ip/component.xml"])

    def tags(element: ET.Element) -> list[str]:
        return [child.tag.removeprefix(f"{{{SPIRIT}}}") for child in element]

    def texts(path: str) -> list[str]:
        return [str(e.text) for e in root.findall(path.replace("/", "/s:"), {"s": SPIRIT})]

    assert root.tag == f"{{{SPIRIT}}}component"
    order = "vendor library name version busInterfaces memoryMaps model fileSets description parameters"
    assert tags(root) == order.split()
    for bus in root.find(f"{{{SPIRIT}}}busInterfaces") or []:
        order = "name busType abstractionType (master|slave) portMaps( parameters)?"
        assert re.fullmatch(order, " ".join(tags(bus)))
    physical = texts("./busInterfaces/busInterface/portMaps/portMap/physicalPort/name")
    named = texts("./model/ports/port/name")
    assert sorted(physical) == sorted(named) == sorted(port.name for port in ports(SMALL.design))
    assert len(set(named)) == len(named)
    references = {
        str(e.get(f"{{{SPIRIT}}}memoryMapRef")) for e in root.iter() if e.tag.endswith("memoryMapRef")
    }
    assert references == set(texts("./memoryMaps/memoryMap/name"))
    sets = set(texts("./fileSets/fileSet/name"))
    assert set(texts("./model/views/view/fileSetRef/localName")) == sets
    assert set(texts("./model/ports/port/wire/wireTypeDefs/wireTypeDef/viewNameRef")) == set(
        texts("./model/views/view/name")
    )
    for path in texts("./fileSets/fileSet/file/name"):
        assert f"ip/{path}" in files
    block = root.find(".//s:addressBlock", {"s": SPIRIT})
    assert block is not None
    order = "name baseAddress range width usage access" + " register" * len(registers(writable=False))
    assert tags(block) == order.split()
    assert texts("./memoryMaps/memoryMap/addressBlock/range") == ["4096"]  # no slave of AXI may have less
    for register, each in zip(
        registers(writable=False), block.findall("s:register", {"s": SPIRIT}), strict=True
    ):
        assert tags(each) == ["name", "description", "addressOffset", "size", "access"]
        values = [str(child.text) for child in each]
        assert (values[0], int(values[2], 16), values[3]) == (register.name, register.offset, "32")
        assert values[4] in ("read-only", "read-write", "write-only")
        assert f"| {register.offset:02X} | `{register.name}` |" in files["README.md"]
    assert texts("./busInterfaces/busInterface/parameters/parameter/name") == [
        "ASSOCIATED_BUSIF", "ASSOCIATED_RESET", "POLARITY", "PROTOCOL",
    ]  # fmt: skip
    assert {path.removeprefix("ip/") for path in files if path.startswith("ip/hdl/")} <= set(
        texts("./fileSets/fileSet/file/name")
    )


def test_ports_and_their_attributes(packages: dict[str, dict[str, str]]) -> None:
    text = packages["pynq-z2"]["ip/hdl/etb_accelerator.v"]
    found = re.findall(
        r'\(\* X_INTERFACE_INFO = "xilinx\.com:(\w+):(\w+):1\.0 (\w+) (\w+)".*?\*\)\s+(input|output) wire '
        r"(?:\[(\d+):0\] )?(\w+)",
        text,
    )
    assert len(found) == len(ports(SMALL.design)) == text.count("X_INTERFACE_INFO")
    for _, bus, interface, signal, direction, left, name in found:
        assert name == interface if bus in ("clock", "reset") else name == f"{interface}_{signal.lower()}"
        port = next(port for port in ports(SMALL.design) if port.name == name)
        assert (port.direction, port.bits) == (direction, int(left or 0) + 1)
    assert "ASSOCIATED_BUSIF s_axi:s_axis:m_axis" in text
    assert "POLARITY ACTIVE_LOW" in text
    assert text.count("PROTOCOL AXI4LITE") == 1
    constraints = packages["pynq-z2"]["ip/constraints/etb_accelerator_ooc.xdc"]
    named = re.findall(r"get_ports (\w+)", constraints)
    assert named == ["aclk"]
    assert set(named) <= {name for *_, name in found}
    assert "-period 10.000" in constraints


def interpreter() -> Any:
    """A Tcl interpreter in which Vivado's commands do nothing but note that they were called."""
    tkinter = pytest.importorskip("tkinter", reason="this Python has no Tcl")
    tcl = tkinter.Tcl()
    commands = """create_project set_property add_files get_files update_compile_order current_fileset
        ipx::package_project ipx::current_core ipx::create_xgui_files ipx::update_checksums
        ipx::save_core close_project current_project update_ip_catalog create_bd_design
        create_bd_cell apply_bd_automation get_bd_cells
        connect_bd_intf_net get_bd_intf_pins connect_bd_net get_bd_pins assign_bd_address validate_bd_design
        save_bd_design generate_target make_wrapper launch_runs wait_on_run get_runs open_run get_timing_paths
        report_utilization write_hw_platform get_board_parts get_property"""
    tcl.eval("set called {}; namespace eval ipx {}")
    for name in commands.split():
        tcl.eval(f"proc {name} args {{ lappend ::called [concat {name} $args]; return {name}_0 }}")
    tcl.eval("proc get_timing_paths args { return [lindex $args 1] }; array set worst {max 0.5 min 0.1}")
    tcl.eval('proc get_property {name of} { return [expr {$name eq "PROGRESS" ? "100%" : $::worst($of)}] }')
    tcl.eval("proc get_board_parts args { return $::parts }; set parts {}; proc puts args {}")
    tcl.eval("proc file_for_real args {}; rename file real_file; rename glob real_glob")
    tcl.eval(
        "proc file args { if {[lindex $args 0] in {delete mkdir copy}} { return }; real_file {*}$args }\n"
        "proc glob args { return [lindex $args end] }"
    )
    return tcl


@pytest.mark.parametrize("installed", [False, True])
@pytest.mark.parametrize("name", ["pynq-z1", "pynq-z2", "kv260", "zcu104"])
def test_the_scripts_are_tcl_and_wire_everything(
    packages: dict[str, dict[str, str]], tmp_path: Path, name: str, installed: bool
) -> None:
    """Run to the end with Vivado's commands stubbed: no unknown command, every pin connected once."""
    tcl = interpreter()
    for script in ("package_ip.tcl", "build.tcl"):
        (tmp_path / script).write_text(packages[name][f"vivado/{script}"])
    if installed:
        tcl.eval("set parts {one}")
    tcl.eval(f"source {{{tmp_path / 'build.tcl'}}}")
    calls = [tcl.tk.splitlist(call) for call in tcl.tk.splitlist(tcl.eval("set called"))]
    board = find_board(name)
    assert board.kind == "zynq"
    assert next(call for call in calls if call[0] == "create_project")[-1] == board.part
    assert any(board.board_part in call for call in calls) == installed
    cells = {call[-1] for call in calls if call[0] == "create_bd_cell"}
    assert cells == {"ps", "reset", "etb_accelerator_0", "axi_dma_0", "control", "memory"}
    pins = [call[1] for call in calls if call[0] in ("get_bd_pins", "get_bd_intf_pins")]
    assert {pin.split("/")[0] for pin in pins} == cells
    assert len(set(pins) - {"reset/peripheral_aresetn"}) == len(pins) - 1
    mine = {pin.split("/")[1] for pin in pins if pin.startswith("etb_accelerator_0/")}
    assert mine == {port.interface for port in ports(SMALL.design)}
    # the DMA reaches all memory, of which an UltraScale+ has some above 4 GiB
    settings = next(call[2] for call in calls if call[0] == "set_property" and "c_include_sg" in call[2])
    assert f"c_addr_width {{{40 if board.processor == 'zynqmp' else 32}}}" in settings
    added = [call for call in calls if call[0] == "add_files" and "constrs_1" in call]
    assert [Path(call[-1]).name for call in added] == ["etb_accelerator_ooc.xdc"]
    used = next(call for call in calls if call[:2] == ("set_property", "USED_IN"))
    assert "out_of_context" in used[2]


@pytest.mark.parametrize(("kind", "paths"), [("setup", "max"), ("hold", "min")])
def test_the_build_stops_where_timing_is_not_met(
    packages: dict[str, dict[str, str]], tmp_path: Path, kind: str, paths: str
) -> None:
    tcl = interpreter()
    for script in ("package_ip.tcl", "build.tcl"):
        (tmp_path / script).write_text(packages["pynq-z2"][f"vivado/{script}"])
    tcl.eval(f"set worst({paths}) -0.01")
    with pytest.raises(Exception, match=rf"timing \({kind}\) is not met at 100 MHz"):
        tcl.eval(f"source {{{tmp_path / 'build.tcl'}}}")
    assert "write_hw_platform" not in tcl.eval("set called")


def test_a_damaged_script_is_noticed(packages: dict[str, dict[str, str]], tmp_path: Path) -> None:
    tcl = interpreter()
    text = packages["kv260"]["vivado/build.tcl"].replace("validate_bd_design", "validate_bd_desing")
    (tmp_path / "package_ip.tcl").write_text("")
    (tmp_path / "build.tcl").write_text(text)
    with pytest.raises(Exception, match="validate_bd_desing"):
        tcl.eval(f"source {{{tmp_path / 'build.tcl'}}}")


def test_the_c_driver_is_c99(packages: dict[str, dict[str, str]], tmp_path: Path) -> None:
    for path, text in packages["zcu104"].items():
        if path.startswith("c/"):
            (tmp_path / Path(path).name).write_text(text)
    (tmp_path / "xil_io.h").write_text(
        "#include <stdint.h>\nuint32_t Xil_In32(uintptr_t a);\nvoid Xil_Out32(uintptr_t a, uint32_t v);\n"
    )
    (tmp_path / "xil_cache.h").write_text(
        "#include <stdint.h>\nvoid Xil_DCacheFlushRange(uintptr_t a, uintptr_t n);\n"
        "void Xil_DCacheInvalidateRange(uintptr_t a, uintptr_t n);\n"
    )
    flags = ["-x", "c", "-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only"]
    design = tmp_path / "etb_design.h"
    assert f"ETB_BUILD_HIGH 0x{SMALL.about['build'][:8]}u" in design.read_text()
    writable = design_header(hardware(network(0)), SMALL.about["build"])
    assert "ETB_WEIGHTS_BYTES" in writable
    for header in (design.read_text(), writable):
        design.write_text(header)
        done = find_compiler().run([*flags, "etb_accelerator.c"], tmp_path)
        assert done.returncode == 0, done.stderr


def test_it_says_what_was_not_built(packages: dict[str, dict[str, str]]) -> None:
    for name, files in packages.items():
        assert "**generated, not built here**" in files["README.md"]
        assert find_board(name).title in files["README.md"]


def test_a_design_that_does_not_fit_says_what_is_short(tmp_path: Path) -> None:
    row = (
        '[b]\nkind="zynq"\ntitle="small"\nprocessor="zynq7"\npart="xc7z010clg400-1"\ndevice="xc7z010"\n'
        'board_part="a:b:c:1.0"\nsource="s"\n'
    )
    (tmp_path / "b.toml").write_text(row)
    with pytest.raises(InfeasibleTarget, match=r"lut of 17,600, [\d,]+ too many"):
        package(large(), find_board(str(tmp_path / "b.toml")), trial=0)


def test_bad_boards(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"did you mean .*pynq-z2.*known: ulx3s-85f.*zcu104"):
        find_board("pynq-z3")
    with pytest.raises(BadInput, match=r"known: ulx3s-85f"):
        find_board("nothing like it")
    own = tmp_path / "own.toml"
    good = (
        '[mine]\nkind="zynq"\ntitle="x"\nprocessor="zynq7"\npart="p"\ndevice="xc7z020"\nboard_part="a"\n'
        'source="s"\n'
    )
    own.write_text(good + 'colour="red"\nsize=3\n')
    with pytest.raises(BadInput, match=r"own\.toml: mine: colour, size: no known keys\s.*known: title"):
        find_board(str(own))
    own.write_text(good.replace('"zynq"', '"spartan"'))
    with pytest.raises(BadInput, match=r"unknown kind 'spartan'\s.*kinds: ecp5"):
        find_board(str(own))
    own.write_text(good.replace('title="x"', 'title="x]; exec rm ["'))  # it goes into scripts
    with pytest.raises(BadInput, match="title"):
        find_board(str(own))
    own.write_text(good.replace('"xc7z020"', '"xc9"'))
    with pytest.raises(BadInput, match="xc9"):
        package(SMALL.design, find_board(str(own)), trial=0)


def test_the_users_test_bench(tmp_path: Path) -> None:
    """One command; it passes on the package as it is, and fails where a golden word is another."""
    finn.write(SMALL.design, tmp_path)
    arguments = ["package", str(tmp_path / "dataflow.onnx"), "--board", "Pynq-Z2", "--frames", "3"]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    assert "3 frames from the host's program" in done.output
    folder = tmp_path / "Pynq-Z2/test"
    host = host_of(folder.parent, "host_of_a_zynq_package")
    with SimulatedZynq(SMALL.design) as hardware:  # the package's own program finds its accelerator.json
        found = host.Accelerator(hardware=hardware).infer(SMALL.images)
    np.testing.assert_array_equal(found, SMALL.expected)
    run = subprocess.run([sys.executable, "run.py"], cwd=folder, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "PASSED: 3 frames" in run.stdout
    golden = folder / "build/frames_out.mem"
    words = golden.read_text().split()
    assert len(words) == 3 * SMALL.design.output_stream.beats
    words[7] = f"{int(words[7], 16) ^ 1:02x}"
    golden.write_text("\n".join(words) + "\n")
    run = subprocess.run(["./tb"], cwd=golden.parent, capture_output=True, text=True, check=False)
    assert run.returncode != 0
    assert "frame 1, word 2:" in run.stdout
    assert "PASSED" not in run.stdout


@pytest.mark.slow
def test_a_pruned_vgg_small_through_the_whole_board() -> None:
    """CIFAR-sized frames, both drivers, with and without stalls."""
    graph = fold(lower(pruned_vgg_small()), Target(cycles=200_000), Effort(time_limit_s=20)).graph
    made = package(size_fifos(graph, precision=0.5).graph, Z2, trial=2)
    assert made.proof is not None
    assert (made.proof.step, made.proof.samples, made.proof.mismatches) == ("board, simulated", 2, 0)
