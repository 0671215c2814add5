"""Import, streamlining and mapping of a QONNX file beside FINN's front end on the same network.

    python -m hw_tests.benchmarks.bench_frontend [--finn-full]

Each measurement is a process of its own: seconds on the wall and of processor time without the start of
Python and its imports, and the peak memory of the whole process. FINN (finn-plus, from `make test-finn`'s
environment) runs its steps up to the hardware graph and executes nothing. By default it gets the network at a
quarter of the width, because the full one takes it minutes: --finn-full runs that.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[2]
FINN = ROOT / ".venv-finn" / "bin" / "python"
OURS = """
import json, sys, time
from etb_hw.dataflow import lower
from etb_hw.qonnx_io import import_model, write_streamlined
wall, cpu = time.perf_counter(), time.process_time()
graph = import_model(sys.argv[1])
imported = time.perf_counter() - wall
write_streamlined(graph, sys.argv[2])
design = lower(graph)
peak = next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith("VmHWM"))
print(json.dumps({
    "import": imported, "wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu,
    "peak_mb": peak / 1024, "blocks": len(design.blocks),
}))
"""
BACK_END = ("step_create_dataflow_partition", "step_specialize_layers", "step_apply_folding_config",
            "step_minimize_bit_width", "step_generate_estimate_reports")  # fmt: skip


def _write_network(folder: Path, width: int) -> Path:
    sys.path.insert(0, str(ROOT / "hw_tests" / "finn"))
    from finn_nets import conv_net

    from etb_hw.qonnx_io import export_finn, export_model

    counts = [(width, False), (width, True), (2 * width, False), (2 * width, True)]
    module = conv_net((3, 32, 32), [*counts, (4 * width, False), (4 * width, True)])
    path = folder / f"vgg_small_{width}.qonnx.onnx"
    export_model(module, path, (3, 32, 32))
    export_finn(path, folder / f"vgg_small_{width}.finn.onnx")
    return path


def _ours(path: Path) -> dict[str, float]:
    runs = []
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", OURS, path, path.with_name("streamlined.onnx")],
            capture_output=True, text=True, check=True, cwd=ROOT,
        )  # fmt: skip
        runs.append(json.loads(done.stdout.splitlines()[-1]))
    return min(runs, key=lambda run: run["wall"])


def _finn(path: Path) -> dict[str, float]:
    folder = path.parent
    np.savez(folder / "samples.npz", x=np.zeros((1, 3, 32, 32)), y=np.zeros((1, 10)))
    out = folder / "finn"
    model = path.with_name(path.name.replace(".qonnx.", ".finn."))
    subprocess.run(
        [FINN, ROOT / "hw_tests" / "finn" / "drive_finn.py", "front", model, "--samples",
         folder / "samples.npz", "--out", out, "--no-execution"],
        capture_output=True, check=True,
    )  # fmt: skip
    result = json.loads((out / "result.json").read_text())
    steps = [s for s in result["stages"] if s["stage"] not in BACK_END]
    return {
        "wall": sum(s["seconds"] for s in steps),
        "cpu": sum(s["cpu_seconds"] for s in steps),
        "peak_mb": result["peak_mb"],
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--finn-full", action="store_true", help="FINN on the full-size network too (minutes)"
    )
    args = parser.parse_args(arguments if arguments is not None else [])
    table = Table(title="QONNX file to hardware graph")
    for column in ("VGG-Small of width", "tool", "wall s", "CPU s", "peak MB", "times slower"):
        table.add_column(column, justify="right")
    with tempfile.TemporaryDirectory() as name:
        for width in (32, 128):
            path = _write_network(Path(name), width)
            ours = _ours(path)
            table.add_row(str(width), "etb_hw", *_cells(ours), "1")
            if width == 128 and not args.finn_full:
                continue
            if not FINN.exists():
                table.add_row(str(width), "finn-plus", *["-"] * 3, "no .venv-finn: make test-finn")
                continue
            finn = _finn(path)
            table.add_row(str(width), "finn-plus", *_cells(finn), f"{finn['cpu'] / ours['cpu']:.0f}")
    Console().print(table)
    print("goal, full size: 3 s, 500 MB, 50 times faster than finn-plus")


def _cells(run: dict[str, float]) -> tuple[str, str, str]:
    return f"{run['wall']:.2f}", f"{run['cpu']:.2f}", f"{run['peak_mb']:.0f}"


if __name__ == "__main__":
    main(sys.argv[1:])
