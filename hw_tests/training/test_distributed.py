"""Two gloo processes under torchrun take the same decisions and end with the same network."""

import json
import subprocess
import sys

import pytest

WORKER = """
import hashlib, json, sys, warnings
from pathlib import Path
warnings.filterwarnings("ignore")
import torch
from etb_hw import data, training
from etb_hw.config import DataConfig, EvolutionConfig, ModelConfig, TeacherConfig, TrainingConfig
from etb_hw.training.distributed import joined

out = Path(sys.argv[1])
whole = data.load(DataConfig())
part = slice(320)
digits = data.Dataset(
    whole.train_x[part], whole.train_y[part], whole.test_x[part], whole.test_y[part], whole.classes, "digits"
)
model = ModelConfig(widths=(6, 6, 8, 8, 12, 12))
teacher = TeacherConfig(epochs=1)
settings = TrainingConfig(epochs=3, batch=32, lr=0.02, threads=1, device="cpu", teacher=teacher)
with joined("cpu") as team:
    assert team.ranks == 2
    evolution = EvolutionConfig(ratio=0.4)
    assert training.train(model, settings, evolution, digits, out, stop_after=22) is None
    torch.distributed.barrier()
    result = training.train(model, settings, evolution, digits, out)
    content = hashlib.sha256()
    for name, value in sorted(result.hard.state_dict().items()):
        content.update(name.encode() + value.numpy().tobytes())
    found = {
        "keep": {group: channels.tolist() for group, channels in result.trained.keep.items()},
        "network": content.hexdigest(),
        "accuracy": result.accuracy,
        "teacher": result.teacher_accuracy,
        "mismatches": [proof.mismatches for proof in result.proofs],
    }
    (out / f"rank{team.rank}.json").write_text(json.dumps(found))
"""


@pytest.mark.slow
def test_two_processes_decide_alike_and_resume(tmp_path):
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*launch, str(script), str(tmp_path)], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    first, second = (json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in range(2))
    assert first == second
    assert first["mismatches"] == [0, 0, 0, 0]
    assert sum(len(channels) for channels in first["keep"].values()) < 52
    rows = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(row)["epoch"] for row in rows] == [1, 2, 3]
