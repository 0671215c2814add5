"""Our formulas and our SetFolding are FINN's: compared with finn-plus itself, node by node."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from etb_hw.dataflow import DataflowGraph, Target, finn, fold, lower, set_folding
from hw_tests import networks

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-finn" / "bin" / "python"
SCRIPT = Path(__file__).parent / "finn_numbers.py"

pytestmark = [
    pytest.mark.finn,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not PYTHON.exists(), reason="no .venv-finn; run `make test-finn`, which installs it"),
]

NETWORKS = {
    "cnv": networks.cnv(),
    "unpooled": networks.conv_net([12, 14, 13], [10], (3, 12, 12)),
    "pruned": networks.vgg_small((13, 9, 20, 14, 28, 22), 16),
    "residual": networks.resnet18((8, 12), size=8, blocks=1),
    "joined": networks.dense_net((8, 4, 4, 8)),
    "mlp": networks.mlp(),
}


TARGETS = (3_000, 60_000)


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, DataflowGraph, DataflowGraph, Any]]:
    """FINN's numbers of every network and target, folded by SetFolding and by us, in one process."""
    folder = tmp_path_factory.mktemp("numbers")
    cases, jobs = [], []
    for name, graph in NETWORKS.items():
        lowered = lower(graph, label_select=True)
        for target in TARGETS:
            theirs = set_folding(lowered, target)
            for design in (theirs, fold(lowered, Target(cycles=theirs.bottleneck.cycles)).graph):
                place = folder / str(len(jobs))
                finn.write(design, place)
                jobs.append([str(place / "dataflow.onnx"), target])
                cases.append((name, design, theirs))
    (folder / "jobs.json").write_text(json.dumps(jobs))
    out = folder / "numbers.json"
    subprocess.run([PYTHON, SCRIPT, folder / "jobs.json", "--out", out], check=True, capture_output=True)
    return [(*case, found) for case, found in zip(cases, json.loads(out.read_text()), strict=True)]


def test_estimates_equal_finn(numbers: list[tuple[str, DataflowGraph, DataflowGraph, Any]]) -> None:
    for name, design, _, found in numbers:
        resources = finn.layer_resources(design)
        cycles = {block.name: block.finn_cycles for block in design.blocks}
        counts = finn.op_and_param_counts(design)
        assert len(found["estimates"]) > 3
        for node, estimate in found["estimates"].items():
            ours = {key: resources[node][key] for key in ("LUT", "BRAM_18K", "URAM")}
            ours |= {"cycles": cycles[node], "counts": counts[node]}
            assert estimate == ours, f"{name}: {node}"


def test_set_folding_equals_finn(numbers: list[tuple[str, DataflowGraph, DataflowGraph, Any]]) -> None:
    compared = set()
    for name, _, theirs, found in numbers:
        for node, values in found.get("folding", {}).items():
            if not node.startswith("StreamingMaxPool"):
                # parallel windows are no choice of SetFolding's
                ours = {"parallel_window": 0} | dict(theirs[node].fold)
                assert {"parallel_window": 0} | values == ours, f"{name}: {node}"
                compared.add(name)
    assert {"mlp", "unpooled"} <= compared
