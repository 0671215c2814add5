"""finn-plus itself takes our files and computes our numbers at every stage that it can execute."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from brevitas.nn import QuantLinear
from torch import nn

from etb_hw.dataflow import Target, finn, fold, lower
from etb_hw.qonnx_io import execute, export_finn, export_model, import_model
from hw_tests.finn.finn_nets import Weight, conv_net, mlp, sign_conv

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-finn" / "bin" / "python"
DRIVER = Path(__file__).parent / "drive_finn.py"

pytestmark = [
    pytest.mark.finn,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not PYTHON.exists(), reason="no .venv-finn; run `make test-finn`, which installs it"),
]


class Joined(nn.Module):
    """Two branches whose signs are joined along the channels."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.stem = sign_conv(1, 8, 300)
        self.branch = sign_conv(8, 4, 4)
        self.tail = sign_conv(12, 6, 6)
        self.head = QuantLinear(6 * 6 * 6, 10, bias=False, weight_quant=Weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        y = self.branch(nn.functional.pad(x, (1, 1, 1, 1), value=-1.0))
        return self.head(self.tail(torch.cat([x, y], 1)).flatten(1))  # type: ignore[no-any-return]


class Decoder(nn.Module):
    """Signs whose pixels are repeated, square, in front of another convolution."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.down = nn.Sequential(sign_conv(1, 8, 300), nn.MaxPool2d(2), sign_conv(8, 6, 4))
        self.up = nn.UpsamplingNearest2d(scale_factor=2)
        self.tail = sign_conv(6, 4, 4)
        self.head = QuantLinear(4 * 4 * 4, 10, bias=False, weight_quant=Weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.tail(self.up(self.down(x)))
        return self.head(x.flatten(1))  # type: ignore[no-any-return]


CNV = [(8, False), (8, True), (16, False), (16, True), (32, False), (32, False)]
NETWORKS: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "mlp": (mlp(64, [32, 32, 32]), (64,)),
    "mlp_odd": (mlp(49, [29, 31, 23], 7), (49,)),
    "cnv_unpadded": (conv_net((3, 32, 32), CNV, [64, 64], padding=0), (3, 32, 32)),
    "cnv_pruned_odd": (
        conv_net((3, 30, 32), [(7, False), (5, True), (13, True), (11, False)], [37], padding=0),
        (3, 30, 32),
    ),
    "vgg_padded": (conv_net((3, 16, 16), [(16, False), (16, True), (32, False), (32, True)]), (3, 16, 16)),
    "vgg_bias": (conv_net((1, 8, 8), [(16, False), (16, True)], bias=True), (1, 8, 8)),
    "vgg_pruned_odd": (
        conv_net((1, 12, 12), [(13, False), (11, True), (21, False), (17, True), (30, False)]),
        (1, 12, 12),
    ),
}
# FINN's own streamlining does not take a Concat of signs ("Could not find upstream bipolar MultiThreshold"),
# and its conversion to hardware leaves Resize out; its later steps take what we lower such networks to
LOWERED = {"joined": (Joined().eval(), (1, 10, 10)), "decoder": (Decoder().eval(), (1, 12, 12))}


@dataclass(frozen=True)
class Files:
    folder: Path
    cycles: dict[str, int]
    plus: dict[str, dict[str, Any]]
    plus_cycles: dict[str, int]
    plus_resources: dict[str, dict[str, float]]


@pytest.fixture(scope="module", params=list(NETWORKS))
def files(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Files:
    return written(*NETWORKS[request.param], tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module", params=list(LOWERED))
def lowered(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Files:
    return written(*LOWERED[request.param], tmp_path_factory.mktemp(request.param))


def written(module: nn.Module, shape: tuple[int, ...], folder: Path) -> Files:
    """All files of a network, folded for 2,000 frames/s, and samples with their outputs."""
    export_model(module, folder / "model.qonnx.onnx", shape)
    export_finn(folder / "model.qonnx.onnx", folder / "model.finn.onnx")
    x = np.random.default_rng(0).integers(0, 256, (3, *shape))
    np.savez(folder / "samples.npz", x=x, y=execute(folder / "model.qonnx.onnx", x))
    graph = import_model(folder / "model.qonnx.onnx")
    finn.write(fold(lower(graph, builder="finn"), Target(fps=2000)).graph, folder, builder="finn")
    finn.write(
        fold(lower(graph, builder="finn-plus"), Target(fps=2000)).graph, folder / "plus", builder="finn-plus"
    )
    read = {
        name: json.loads((folder / name).read_text())
        for name in (
            "report/estimate_layer_cycles.json",
            "plus/auto_folding_config.json",
            "plus/report/estimate_layer_cycles.json",
            "plus/report/estimate_layer_resources.json",
        )
    }
    return Files(folder, *read.values())


def drive(kind: str, files: Files, model: str, folding: Path) -> dict[str, Any]:
    out = files.folder / f"finn_{kind}"
    done = subprocess.run(
        [PYTHON, DRIVER, kind, files.folder / model, "--samples", files.folder / "samples.npz",
         "--out", out, "--folding", folding],
        capture_output=True, text=True, timeout=1500, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    result: dict[str, Any] = json.loads((out / "result.json").read_text())
    differences = {s["stage"]: s["max_abs_diff"] for s in result["stages"] if "max_abs_diff" in s}
    assert differences
    assert set(differences.values()) == {0.0}, differences
    return result


def test_front_end_takes_the_qonnx_file_and_our_folding(files: Files) -> None:
    """Converters, streamlining, HW conversion, partitioning, specialisation, our folding, estimates.

    The folding is that of ``etb-hw build --for finn-plus``: every node has the name that finn-plus gives it
    (it builds pools of other nodes than FINN main), and none is left out.
    """
    result = drive("front", files, "model.finn.onnx", files.folder / "plus" / "auto_folding_config.json")
    assert result["quantizers_left"] == []
    assert set(result["outside"]) <= {"Transpose", "Reshape", "Flatten"}, "outside of the partition"
    assert set(files.plus) - {"Defaults"} == set(result["folding"])
    for name, applied in result["folding"].items():
        wished = {key: files.plus[name][key] for key in ("PE", "SIMD") if key in files.plus[name]}
        assert applied == wished, name
        if name.startswith("MVAU"):
            assert result["estimate_layer_cycles"][name] == files.plus_cycles[name]
            found, ours = result["estimate_layer_resources"][name], files.plus_resources[name]
            assert found["BRAM_18K"] == ours["BRAM_18K"], name


def test_dataflow_file_is_taken_from_specialize_layers_on(files: Files) -> None:
    result = drive("dataflow", files, "dataflow.onnx", files.folder / "auto_folding_config.json")
    for name, cycles in result["estimate_layer_cycles"].items():
        if name.startswith("MVAU"):
            assert cycles == files.cycles[name]


def test_dataflow_files_of_what_finn_does_not_lower_itself(lowered: Files) -> None:
    test_dataflow_file_is_taken_from_specialize_layers_on(lowered)
