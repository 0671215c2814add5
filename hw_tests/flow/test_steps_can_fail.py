"""Each step that proves something is shown a fault behind all earlier proofs: its own has to notice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from etb_hw import qonnx_io
from etb_hw import simulate as simulating
from etb_hw.config import Flow
from etb_hw.flow import Silent, run_steps
from etb_hw.flow.steps import STEPS, simulate, streamline
from etb_hw.integer import reference
from etb_hw.verification import ProofFailed

FLOW = Flow.model_validate(
    {
        "data": {"train_limit": 128, "test_limit": 40},
        "model": {"widths": [4, 4, 6, 6, 8, 8]},
        "training": {"epochs": 2, "threads": 1, "lr": 0.03},
        "evolution": {"ratio": 0.2},
        "baseline": {"train": False},
        "build": {"target_fps": 100},
        "verification": {"real": 16, "random": 8},
    }
)


@pytest.fixture
def run(tmp_path: Path) -> Callable[[str], object]:
    return lambda until: run_steps(FLOW, tmp_path, STEPS, until=until, observer=Silent())


def test_a_file_with_other_weights(run, monkeypatch: pytest.MonkeyPatch) -> None:
    """qonnx and float64 agree on what the file says, but torch says something else."""
    run("prune")
    right = qonnx_io.export_model

    def wrong(module: nn.Module, *args: Any) -> None:
        with torch.no_grad():
            last = [p for name, p in module.named_parameters() if name.endswith("core.weight")][-1]
            last[0] *= -1
        right(module, *args)
        with torch.no_grad():
            last[0] *= -1

    monkeypatch.setattr(qonnx_io, "export_model", wrong)
    with pytest.raises(ProofFailed, match=r"model\.qonnx\.onnx in qonnx against slim"):
        run("export")


def test_an_integer_graph_that_is_off_by_one(run, monkeypatch: pytest.MonkeyPatch) -> None:
    run("export")

    def wrong(*args: Any, **options: Any) -> Any:
        made = reference.execute(*args, **options).copy()
        made[3, 1] += 1
        return made

    monkeypatch.setattr(streamline, "reference", type("Wrong", (), {"execute": staticmethod(wrong)}))
    with pytest.raises(ProofFailed, match="integer graph"):
        run("streamline")


def test_a_streamlined_file_that_computes_something_else(run, monkeypatch: pytest.MonkeyPatch) -> None:
    run("export")
    right = qonnx_io.execute

    def wrong(model: Any, x: Any) -> Any:
        made = right(model, x).copy()
        if Path(model).name == "streamlined.onnx":
            made[3, 1] += 1
        return made

    monkeypatch.setattr(qonnx_io, "execute", wrong)
    with pytest.raises(ProofFailed, match=r"streamlined\.onnx in qonnx"):
        run("streamline")


def test_a_packed_result_that_is_off_by_one(run, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a test image that no earlier proof has seen."""
    run("build")
    right = simulating.simulate

    def wrong(*args: Any, on_result: Callable[..., None], **options: Any) -> Any:
        def changed(start: int, result: Any) -> None:
            result = result.copy()
            result[-1, 2] += 1
            on_result(start, result)

        return right(*args, on_result=changed, **options)

    monkeypatch.setattr(simulate, "simulate", wrong)
    with pytest.raises(ProofFailed, match="packed, whole test set against slim"):
        run("simulate")
