"""The package for a Zynq: IP, scripts for Vivado, drivers, test bench, and the proof of what can be."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from etb_hw.board.boards import ZynqBoard
from etb_hw.board.contents import Package, Trial
from etb_hw.board.describe import stream_description
from etb_hw.board.host.frames import to_bytes
from etb_hw.board.host.zynq import Accelerator
from etb_hw.board.reload import prove_loading
from etb_hw.board.shared_files import cocotb_files, host_files, test_bench_files, words_text
from etb_hw.board.weights import weights_description, writable_files
from etb_hw.board.zynq.c_driver import design_header, driver_sources
from etb_hw.board.zynq.gateware import bus_of, gateware, ports
from etb_hw.board.zynq.ipxact import component_xml
from etb_hw.board.zynq.readme import readme_text
from etb_hw.board.zynq.registers import registers
from etb_hw.board.zynq.simulated import CDriver, SimulatedZynq
from etb_hw.board.zynq.vivado import CLOCK_XDC, build_tcl, clock_xdc, package_tcl
from etb_hw.dataflow.design import check_fits
from etb_hw.dataflow.devices import find_device
from etb_hw.dataflow.folding import Target
from etb_hw.dataflow.graph import DataflowGraph
from etb_hw.dataflow.load_image import is_writable
from etb_hw.dataflow.models import resource_model
from etb_hw.errors import BadInput
from etb_hw.rtl.tools import Origin
from etb_hw.verification import Proof, prove

STALLS = 0.3


def package(
    design: DataflowGraph,
    board: ZynqBoard,
    clock_mhz: float,
    trial: Trial,
    *,
    prove: bool,
    tools: Origin,
    stage: Callable[[str], None],
) -> Package:
    """The package; see ``etb_hw.board.package``."""
    if clock_mhz > 400:
        raise BadInput(
            f"--clock-mhz {clock_mhz:g}", "is more than a processor gives the logic", "use 400 or less"
        )
    device = find_device(board.device)
    # UltraScale+ has no calibration of its own; its LUTs have six inputs as well
    check_fits(design, Target(device=device, share=1.0, model=resource_model("calibrated", "xc7")))
    sources, build = gateware(design)
    described = description(design, board, clock_mhz, build)
    proof = None
    if prove:
        stage("proving: both drivers on the simulated accelerator")
        proof = prove_board(design, described, trial, tools)
    texts = {f"ip/hdl/{name}": text for name, text in sources.items()}
    texts |= {
        f"ip/constraints/{CLOCK_XDC}": clock_xdc(clock_mhz),
        "ip/component.xml": component_xml(
            ports(design),
            registers(is_writable(design)),
            [f"hdl/{name}" for name in sources],
            f"constraints/{CLOCK_XDC}",
        ),
        "vivado/package_ip.tcl": package_tcl(board),
        "vivado/build.tcl": build_tcl(board, clock_mhz, bus_of(design.input_stream)),
        "c/etb_design.h": design_header(design, build),
        **{f"c/{name}": text for name, text in driver_sources().items()},
        "accelerator.json": json.dumps(described, indent=1) + "\n",
        **host_files("zynq"),
        **_test_bench(design, described, trial),
    }
    texts["README.md"] = readme_text(design, board, described, proof, trial)
    contents = {name: text.encode("utf-8") for name, text in texts.items()}
    return Package(contents | writable_files(design, build), None, proof)


def description(design: DataflowGraph, board: ZynqBoard, clock_mhz: float, build: str) -> dict[str, Any]:
    """What the host's program has to know: ``accelerator.json``."""
    return {
        "build": build,
        "board": board.title,
        "clock_mhz": clock_mhz,
        "cycles_a_frame": design.bottleneck.cycles,
        "input": stream_description(design.input_stream, bus_of(design.input_stream).beat_bytes),
        "output": stream_description(design.output_stream, bus_of(design.output_stream).beat_bytes),
        **weights_description(design),
    }


def prove_board(design: DataflowGraph, described: Mapping[str, Any], trial: Trial, tools: Origin) -> Proof:
    """Both drivers get from the simulated accelerator what they must, at full speed and with stalls.

    Writable weights are replaced and restored by both.
    """
    half = max(1, len(trial.images) // 2)  # so that one call takes several packets
    with SimulatedZynq(design, tools=tools) as hardware:
        accelerator = Accelerator(description=described, hardware=hardware, batch=half)
        if "weights" in described:
            infer = partial(accelerator.infer, trial.images)
            prove_loading(accelerator, infer, design, described["build"], trial)
        found = accelerator.infer(trial.images)
        expected = trial.expected.reshape(found.shape)
        proof = prove("board, simulated", trial.against, found, expected)
        hardware.stalls(STALLS, STALLS)
        prove("board, simulated with stalls", trial.against, accelerator.infer(trial.images), expected)
        driver = CDriver(hardware, described)
        driver.open()
        prove("board, simulated, C driver", trial.against, driver.infer(trial.images), expected)
        if "weights" in described:
            prove_loading(driver, partial(driver.infer, trial.images), design, described["build"], trial)
            prove("board, simulated, C driver", trial.against, driver.infer(trial.images), expected)
    return proof


def _test_bench(design: DataflowGraph, described: Mapping[str, Any], trial: Trial) -> dict[str, str]:
    """Golden words of the buses, and the benches that send them."""
    taken, given = bus_of(design.input_stream), bus_of(design.output_stream)
    count = len(trial.images)
    parameters = {
        "FRAMES": count,
        "IN_BUS": taken.size, "IN_WORDS": taken.words * design.input_stream.beats,
        "OUT_BUS": given.size, "OUT_WORDS": given.words * design.output_stream.beats,
    }  # fmt: skip
    words_in = to_bytes(trial.images, described["input"]).tobytes()
    words_out = to_bytes(trial.expected, described["output"]).tobytes()
    return {
        **test_bench_files("axi", parameters, "ip/hdl"),
        **cocotb_files("axi"),
        "test/frames_in.mem": words_text(words_in, taken.size),
        "test/frames_out.mem": words_text(words_out, given.size),
    }
