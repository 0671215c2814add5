"""Every writer of a run's files leaves the old file or the whole new one, whatever happens in between."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from etb_hw import qonnx_io, rtl
from etb_hw.artifacts.run_files import (
    CHECKPOINT,
    DATAFLOW,
    FINN_MODEL,
    METRICS,
    MODEL,
    OF_THE_BUILD,
    STREAMLINED,
)
from etb_hw.config import BuildConfig, ModelConfig
from etb_hw.dataflow import finn, lower
from etb_hw.dataflow.design import design
from etb_hw.flow.building import ProvedDesign
from etb_hw.models import BinaryNet, specify
from etb_hw.models.layers import set_hard
from etb_hw.pruning import deployable, harden, save_checkpoint
from etb_hw.training import metrics
from etb_hw.verification import Proof
from hw_tests.networks import mlp

GRAPH = mlp(16, (8,))


def exported(folder: Path) -> None:
    net = BinaryNet(specify(ModelConfig(widths=(2, 2, 2, 2, 2, 2)), (1, 8, 8), 3))
    set_hard(net)
    hard = harden(net)
    save_checkpoint(hard, CHECKPOINT.path(folder), {"seconds": 1.0})
    module = deployable(hard)
    qonnx_io.export_model(module, MODEL.path(folder), module.input_shape)
    qonnx_io.export_finn(MODEL.path(folder), FINN_MODEL.path(folder))


def built(folder: Path) -> None:
    ProvedDesign(design(GRAPH, BuildConfig(target_fps=1e5)), Proof("a", "b", 1, 0, 0.0)).write(folder)


WRITERS: dict[str, tuple[Callable[[Path], object], tuple[str, ...]]] = {
    "export": (exported, (CHECKPOINT.name, MODEL.name, FINN_MODEL.name)),
    "streamline": (lambda to: qonnx_io.write_streamlined(GRAPH, STREAMLINED.path(to)), (STREAMLINED.name,)),
    "finn": (lambda to: finn.write(lower(GRAPH), to), (DATAFLOW.name,)),
    "build": (built, tuple(file.name for file in OF_THE_BUILD)),
    "rtl": (lambda to: rtl.write(rtl.generate(lower(GRAPH)), to / "rtl"), ("rtl/etb_top.sv",)),
    "metrics": (lambda to: metrics.rewrite(METRICS.path(to), ()), (METRICS.name,)),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_costs_no_old_file(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write, files = WRITERS[name]
    write(tmp_path)
    assert [file for file in files if not (tmp_path / file).is_file()] == []
    everything = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    moved: list[str] = []

    def full(source: Path, target: Path) -> None:
        moved.append(str(target))
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        write(tmp_path)
    assert moved
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == everything
