"""Networks loaded into one hardware at run time by the host's own programs, on simulated boards."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from numpy.typing import NDArray

from etb_hw.board import find_board
from etb_hw.board.contents import random_trial
from etb_hw.board.describe import build_id
from etb_hw.board.host import serial_line, zynq
from etb_hw.board.host.frames import BoardError, to_bytes
from etb_hw.board.host.weights import weights_file
from etb_hw.board.reload import other_network
from etb_hw.board.serial import package as serial_package
from etb_hw.board.serial.gateware import gateware as serial_gateware
from etb_hw.board.serial.simulated import SimulatedLine
from etb_hw.board.zynq import package as zynq_package
from etb_hw.board.zynq.gateware import gateware as zynq_gateware
from etb_hw.board.zynq.simulated import CDriver, SimulatedZynq
from etb_hw.cli import main
from etb_hw.dataflow import finn
from etb_hw.dataflow.load_image import image_of_other, load_image
from etb_hw.integer.packed import PackedExecutor
from hw_tests.board.packaged import host_of
from hw_tests.board.reloading import hardware, network
from hw_tests.rtl.netlist import synthesised

ULX3S, Z2 = find_board("ulx3s-85f"), find_board("pynq-z2")
assert ULX3S.kind != "zynq"
assert Z2.kind == "zynq"
NETWORKS = (network(0), network(1))
DESIGN = hardware(NETWORKS[0], registers=True)
IMAGE = image_of_other(DESIGN, hardware(NETWORKS[1], folded=False))
IMAGES = random_trial(DESIGN, 4).images
EXPECTED = tuple(PackedExecutor(net).run(IMAGES.transpose(0, 3, 1, 2)).reshape(4, -1) for net in NETWORKS)
SERIAL = serial_package.description(DESIGN, ULX3S, 50.0, build_id(serial_gateware(DESIGN)))
ZYNQ = zynq_package.description(DESIGN, Z2, 100.0, zynq_gateware(DESIGN)[1])


@pytest.fixture
def synthesis_cache(tmp_path: Path) -> Path:
    return tmp_path / "netlists"


@pytest.fixture
def line() -> Iterator[SimulatedLine]:
    with SimulatedLine(DESIGN, SERIAL["build"], patience=60_000) as opened:
        yield opened


@pytest.fixture
def board() -> Iterator[SimulatedZynq]:
    with SimulatedZynq(DESIGN) as hardware:
        yield hardware


@pytest.fixture(params=["serial line", "zynq"])
def accelerator(request: pytest.FixtureRequest) -> serial_line.Accelerator | zynq.Accelerator:
    if request.param == "zynq":
        return zynq.Accelerator(description=ZYNQ, hardware=request.getfixturevalue("board"), batch=2)
    return serial_line.Accelerator(request.getfixturevalue("line"), SERIAL)


Host = serial_line.Accelerator | zynq.Accelerator


def file_of(accelerator: Host, image: bytes, folder: Path) -> Path:
    path = folder / "weights.bin"
    path.write_bytes(weights_file(accelerator.description["build"], image))
    return path


def gives(accelerator: Host, expected: NDArray[np.int64]) -> None:
    np.testing.assert_array_equal(accelerator.infer(IMAGES).reshape(4, -1), expected)


def test_one_network_then_another_then_the_first(accelerator: Host, tmp_path: Path) -> None:
    """Bits as the packed simulator has them; the design's own weights are there from the start."""
    assert (EXPECTED[0] != EXPECTED[1]).any(axis=1).all()
    gives(accelerator, EXPECTED[0])
    assert accelerator.weights() == zlib.crc32(load_image(DESIGN)) == SERIAL["weights"]["crc32"]
    accelerator.load(file_of(accelerator, IMAGE, tmp_path))
    gives(accelerator, EXPECTED[1])
    assert accelerator.weights() == zlib.crc32(IMAGE)
    gives(accelerator, EXPECTED[1])
    accelerator.reset()
    gives(accelerator, EXPECTED[1])  # a reset forgets no weights
    accelerator.load(file_of(accelerator, load_image(DESIGN), tmp_path))
    gives(accelerator, EXPECTED[0])


def test_outputs_that_never_or_always_change(accelerator: Host, tmp_path: Path) -> None:
    """The ends of what thresholds may be."""
    other = other_network(DESIGN)
    accelerator.load(file_of(accelerator, load_image(other), tmp_path))
    gives(accelerator, other.execute(IMAGES).reshape(4, -1))


def test_files_that_do_not_fit_are_refused_before_anything_is_written(
    accelerator: Host, tmp_path: Path
) -> None:
    path = tmp_path / "w.bin"
    path.write_bytes(weights_file("0123456789abcdef", IMAGE))
    with pytest.raises(
        BoardError, match=r"is for build 0123456789abcdef.*etb-hw weights DESIGN --for PACKAGE"
    ):
        accelerator.load(path)
    whole = weights_file(accelerator.description["build"], IMAGE)
    for damaged in (whole[:-1], whole + b"\0", whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:]):
        path.write_bytes(damaged)
        with pytest.raises(BoardError, match="damaged"):
            accelerator.load(path)
    for nothing in (b"", b"ETBW1\n", b"ETBW1\n[1]\n", b"ETBW1\n{\n", b"\x7fELF" * 30, b"ETBW1\n\xff\n"):
        path.write_bytes(nothing)
        with pytest.raises(BoardError, match="no file of weights"):
            accelerator.load(path)
    fixed = {key: value for key, value in accelerator.description.items() if key != "weights"}
    accelerator.description, about = fixed, accelerator.description
    with pytest.raises(BoardError, match="--weights writable"):
        accelerator.load(path)
    with pytest.raises(BoardError, match="fixed"):
        accelerator.weights()
    accelerator.description = about
    gives(accelerator, EXPECTED[0])


# -- the serial line


def test_damage_on_the_line_while_loading(line: SimulatedLine, tmp_path: Path) -> None:
    """A packet that is damaged is sent again; one whose reply is lost is written once."""
    accelerator = serial_line.Accelerator(line, SERIAL)
    send, receive, counts = line.write, line.read, [0, 0]

    def damaged(data: bytes) -> None:
        counts[0] += len(data) > 10
        send(data[:9] + bytes((data[9] ^ 4,)) + data[10:] if counts[0] == 1 and len(data) > 10 else data)

    def lost(size: int) -> bytes:
        data = receive(size)
        if len(data) == 3 and data[1] == serial_line.WRITE:
            counts[1] += 1
            if counts[1] == 1:
                return b""
        return data

    line.write, line.read = damaged, lost  # type: ignore[method-assign]
    accelerator.load(file_of(accelerator, IMAGE, tmp_path))
    assert accelerator.retries == 2
    gives(accelerator, EXPECTED[1])


def test_weights_out_of_order_or_not_announced(line: SimulatedLine) -> None:
    accelerator = serial_line.Accelerator(line, SERIAL)
    block = bytes(SERIAL["input"]["bytes"])
    with pytest.raises(BoardError, match="expects other weights, or none"):
        accelerator.request(serial_line.WRITE, block, 0)
    gives(accelerator, EXPECTED[0])
    accelerator.request(serial_line.OPEN)
    with pytest.raises(BoardError, match="expects other weights, or none"):
        accelerator.request(serial_line.WRITE, block, 1)
    accelerator.request(serial_line.CLOSE)
    gives(accelerator, EXPECTED[0])  # opened and closed, nothing written


def test_a_load_that_is_cut_off_on_the_line(line: SimulatedLine, tmp_path: Path) -> None:
    """Half of a network never runs, whoever resets the board."""
    accelerator = serial_line.Accelerator(line, SERIAL)
    accelerator.request(serial_line.OPEN)
    accelerator.request(serial_line.WRITE, IMAGE[: SERIAL["input"]["bytes"]], 0)
    for again in (lambda: None, accelerator.reset, line.reset):
        again()
        with pytest.raises(BoardError, match="weights are not complete: load them again"):
            accelerator.infer(IMAGES[:1])
    accelerator.load(file_of(accelerator, IMAGE, tmp_path))
    gives(accelerator, EXPECTED[1])


def test_a_checksum_that_is_another_one(
    accelerator: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What arrives is not what was sent: the accelerator takes no frames until it is loaded again."""
    wrong = bytes([IMAGE[0] ^ 16]) + IMAGE[1:]
    with monkeypatch.context() as patch:
        module = serial_line if isinstance(accelerator, serial_line.Accelerator) else zynq
        honest = module.verified
        patch.setattr(module, "read_weights", lambda *_: wrong)
        patch.setattr(module, "verified", lambda found, _: honest(found, IMAGE))
        with pytest.raises(BoardError, match=r"read back have checksum [0-9a-f]{8}, not .*load them again"):
            accelerator.load(tmp_path)
    with pytest.raises(BoardError, match="weights are not complete"):
        accelerator.infer(IMAGES)
    accelerator.load(file_of(accelerator, IMAGE, tmp_path))
    gives(accelerator, EXPECTED[1])


# -- the Zynq


def test_a_load_in_mid_frame_and_one_that_is_cut_off(board: SimulatedZynq, tmp_path: Path) -> None:
    accelerator = zynq.Accelerator(description=ZYNQ, hardware=board)
    board.stalls(0.5, 0.5)
    sent = to_bytes(IMAGES, ZYNQ["input"]).reshape(-1)
    for cycles in (10, 200):
        buffer = board.allocate(sent.size)
        buffer[:] = sent
        buffer.flush()
        board.registers.write(zynq.PACKET, 4)
        for register, value in (
            (2, buffer.physical_address),
            (3, buffer.physical_address >> 32),
            (4, sent.size),
        ):
            board.dma.write(zynq.SEND[register], value & 0xFFFFFFFF)
        board.idle(cycles)
        accelerator.load(file_of(accelerator, IMAGE, tmp_path))
        gives(accelerator, EXPECTED[1])
    board.registers.write(zynq.LOAD, zynq.OPEN)
    board.registers.write(zynq.LOAD_WORD, 0x12345678)
    board.reset()
    again = zynq.Accelerator(description=ZYNQ, hardware=board)  # another program, later
    with pytest.raises(BoardError, match="weights are not complete: load them again"):
        again.infer(IMAGES)
    again.load(file_of(accelerator, load_image(DESIGN), tmp_path))
    gives(again, EXPECTED[0])


def test_the_c_driver_loads_and_refuses_what_python_does(board: SimulatedZynq, tmp_path: Path) -> None:
    """One file for both, taken as it is."""
    driver, build = CDriver(board, ZYNQ), ZYNQ["build"]
    driver.open()
    good = weights_file(build, IMAGE)
    (tmp_path / "weights.bin").write_bytes(good)
    driver.load(tmp_path / "weights.bin")
    assert board.c_weights_crc() == (0, zlib.crc32(IMAGE))
    np.testing.assert_array_equal(driver.infer(IMAGES).reshape(4, -1), EXPECTED[1])
    other_build = weights_file("0" * 16, IMAGE)
    for file in (b"", good[:5], good[:40], b"ETBW2" + good[5:], other_build, weights_file(build, IMAGE[1:])):
        assert board.c_load(file) == -10
    middle = len(good) // 2
    flipped = good[:middle] + bytes([good[middle] ^ 4]) + good[middle + 1 :]
    end_of_head = good.index(b"}\n")
    for file in (flipped, good[:-1], good + b"x", good[:end_of_head], good[: end_of_head + 1]):
        assert board.c_load(file) == -11
    np.testing.assert_array_equal(driver.infer(IMAGES).reshape(4, -1), EXPECTED[1])  # nothing was written


def test_half_of_a_network_never_runs_under_the_c_driver(board: SimulatedZynq) -> None:
    driver = CDriver(board, ZYNQ)
    driver.open()
    board.registers.write(zynq.LOAD, zynq.OPEN)
    board.registers.write(zynq.LOAD_WORD, 0x12345678)
    board.reset()
    driver.open()  # another program, later
    with pytest.raises(BoardError, match="etb_infer of the C driver gives -13"):
        driver.infer(IMAGES)
    assert board.c_load(weights_file(ZYNQ["build"], load_image(DESIGN))) == 0
    np.testing.assert_array_equal(driver.infer(IMAGES).reshape(4, -1), EXPECTED[0])


def test_weights_that_arrive_damaged_are_noticed_by_the_c_driver(board: SimulatedZynq) -> None:
    driver, file = CDriver(board, ZYNQ), weights_file(ZYNQ["build"], IMAGE)
    driver.open()
    for word in (1, len(IMAGE) // 4):
        board.damage_word(word)
        assert board.c_load(file) == -12
        with pytest.raises(BoardError, match="etb_infer of the C driver gives -13"):
            driver.infer(IMAGES)
    assert board.c_load(file) == 0
    np.testing.assert_array_equal(driver.infer(IMAGES).reshape(4, -1), EXPECTED[1])


@pytest.mark.slow
def test_what_synthesis_makes_of_it_is_loaded_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, synthesis_cache: Path
) -> None:
    """The design's netlist for the 7 series, LUT RAM and all, behind the real shell and driver."""
    design = hardware(NETWORKS[0], styles="distributed")
    sources, build = zynq_gateware(design)
    cells = synthesised(design, synthesis_cache, tmp_path)
    assert "RAM32M" in cells["etb_top.sv"]
    monkeypatch.setattr("etb_hw.board.zynq.simulated.gateware", lambda _: ({**sources, **cells}, build))
    about = zynq_package.description(design, Z2, 100.0, build)
    with SimulatedZynq(design) as board:
        accelerator = zynq.Accelerator(description=about, hardware=board)
        gives(accelerator, EXPECTED[0])
        accelerator.load(file_of(accelerator, image_of_other(design, hardware(NETWORKS[1])), tmp_path))
        gives(accelerator, EXPECTED[1])
        accelerator.load(file_of(accelerator, load_image(design), tmp_path))
        gives(accelerator, EXPECTED[0])


# -- the commands


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_from_two_designs_to_a_file_that_the_packages_host_loads(line: SimulatedLine, tmp_path: Path) -> None:
    for number, design in enumerate((DESIGN, hardware(NETWORKS[1], folded=False))):
        finn.write(design, tmp_path / str(number))
    folder = tmp_path / "package"
    done = call("package", tmp_path / "0/dataflow.onnx", "--board", "ulx3s-85f", "--no-place", "--frames", 0,
                "--out", folder)  # fmt: skip
    assert done.exit_code == 0, done.output
    readme = (folder / "README.md").read_text()
    assert "Weights and thresholds of conv0, conv1, conv2, conv1_plus_conv2_act, fc0, bias" in readme
    assert json.loads((folder / "accelerator.json").read_text()) == SERIAL
    out = tmp_path / "other.bin"
    done = call("weights", tmp_path / "1/dataflow.onnx", "--for", folder, "--out", out)
    assert done.exit_code == 0, done.output
    host = host_of(folder, "host_of_a_writable_package")
    accelerator = host.Accelerator(line, SERIAL)
    accelerator.load(out)
    gives(accelerator, EXPECTED[1])
    accelerator.load(folder / "weights.bin")
    gives(accelerator, EXPECTED[0])

    (folder / "dataflow.onnx").write_bytes((tmp_path / "1/dataflow.onnx").read_bytes())
    done = call("weights", tmp_path / "1/dataflow.onnx", "--for", folder, "--out", out)
    assert done.exit_code == 2
    assert "is not the design of accelerator.json" in done.output
    for damaged in ("[]", '{"build": 7}', '{"build": "0123456789abcdeg"}', '{"build": "0123"}'):
        (folder / "accelerator.json").write_text(damaged)
        done = call("weights", tmp_path / "1/dataflow.onnx", "--for", folder, "--out", out)
        assert done.exit_code == 2
        assert "is no description of an accelerator" in done.output
    (folder / "accelerator.json").write_text('{"build": "0123456789abcdef"}')
    done = call("weights", tmp_path / "1/dataflow.onnx", "--for", folder, "--out", out)
    assert done.exit_code == 2
    assert "its weights are fixed" in done.output
