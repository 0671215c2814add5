"""Import, streamlining and mapping of a full-size VGG-Small beside FINN's front end on the same network.

    python -m hw_tests.benchmarks.bench_frontend

Each measurement is a process of its own: seconds on the wall and of processor time, without the start of
Python, its imports and writing files, and the peak memory of the whole process. FINN (finn-plus, from the
environment of `make test-finn`) runs its steps up to step_specialize_layers and executes nothing. "exact" is
the network as this package deploys it, "float" has BatchNorms as training leaves them.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

VGG_SMALL = [(128, False), (128, True), (256, False), (256, True), (512, False), (512, True)]
ROOT = Path(__file__).parents[2]
FINN = ROOT / ".venv-finn" / "bin" / "python"
OURS = """
import json, sys, time
from etb_hw.dataflow import lower
from etb_hw.qonnx_io import import_model
wall, cpu = time.perf_counter(), time.process_time()
graph = import_model(sys.argv[1])
design = lower(graph)
peak = next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith("VmHWM"))
print(json.dumps({
    "wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu,
    "peak_mb": peak / 1024, "blocks": len(design.blocks),
}))
"""
BACK_END = ("step_apply_folding_config", "step_minimize_bit_width", "step_generate_estimate_reports")


def _write_network(folder: Path, kind: str) -> Path:
    from etb_hw.qonnx_io import export_finn, export_model
    from hw_tests.finn.finn_nets import conv_net

    module = conv_net((3, 32, 32), VGG_SMALL)
    if kind == "float":
        for layer in module.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):
                layer.running_mean.normal_(0, 5)
                layer.running_var.uniform_(1, 100)
                layer.weight.data.uniform_(0.2, 2)
                layer.bias.data.normal_()
    path = folder / f"{kind}.qonnx.onnx"
    export_model(module, path, (3, 32, 32))
    export_finn(path, folder / f"{kind}.finn.onnx")
    return path


def _ours(path: Path) -> dict[str, float]:
    runs = []
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", OURS, path],
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


def main() -> None:
    table = Table(title="VGG-Small from QONNX file to hardware graph")
    for column in ("BatchNorms", "tool", "wall s", "CPU s", "peak MB", "times slower (CPU)"):
        table.add_column(column, justify="right")
    with tempfile.TemporaryDirectory() as name:
        for kind in ("exact", "float"):
            path = _write_network(Path(name), kind)
            ours = _ours(path)
            table.add_row(kind, "etb_hw", *_cells(ours), "1")
            if FINN.exists():
                finn = _finn(path)
                table.add_row(kind, "finn-plus", *_cells(finn), f"{finn['cpu'] / ours['cpu']:.0f}")
            else:
                table.add_row(kind, "finn-plus", *["-"] * 3, "no .venv-finn: make test-finn")
    Console().print(table)
    print("goal: 3 s, 500 MB, 50 times faster than finn-plus")


def _cells(run: dict[str, float]) -> tuple[str, str, str]:
    return f"{run['wall']:.2f}", f"{run['cpu']:.2f}", f"{run['peak_mb']:.0f}"


if __name__ == "__main__":
    main()
