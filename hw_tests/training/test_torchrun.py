"""``torchrun -m etb_hw train FLOW``: two processes, one run; killed or stopped, it resumes as one."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner
from safetensors.numpy import load_file

from etb_hw.cli import main
from etb_hw.evolution.team import Team
from etb_hw.flow.together import Crew
from etb_hw.training import distributed
from etb_hw.training.distributed import AGAIN, ProcessLost

FLOW = """
[data]
name = "digits"
train_limit = 320
test_limit = 64

[model]
widths = [6, 6, 8, 8, 12, 12]

[training]
epochs = 3
batch = 32
lr = 0.02
threads = 1
device = "cpu"
checkpoint_seconds = 0.0

[training.teacher]
epochs = 1

[evolution]
ratio = 0.4
"""
LAUNCH = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "etb_hw"]


def start(flow, out, *more, **options):
    command = [*LAUNCH, "train", str(flow), "--out", str(out), *more]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    return subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, **pipes, **options)


def end(run):
    try:
        out, error = run.communicate(timeout=120)
    finally:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
    told = [line for line in error.splitlines() if line.startswith("error: ")]
    assert told or run.returncode == 0, error  # whatever else ended it
    return run.returncode, out, told


def worker(run, rank):
    """The process of a rank, by its environment."""
    for child in Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split():
        if f"RANK={rank}".encode() in Path(f"/proc/{child}/environ").read_bytes().split(b"\0"):
            return int(child)
    raise AssertionError("no such process")


def history(folder):
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in row.items() if key != "images_per_second"} for row in rows]


@pytest.fixture(scope="module")
def flow(tmp_path_factory):
    path = tmp_path_factory.mktemp("flow") / "flow.toml"
    path.write_text(FLOW)
    return path


@pytest.fixture(scope="module")
def whole(flow, tmp_path_factory):
    """The folder of a run that nothing disturbed, and what it printed."""
    folder = tmp_path_factory.mktemp("whole")
    code, out, errors = end(start(flow, folder / "run"))
    assert (code, errors) == (0, [])
    return folder / "run", out


def test_one_process_writes_and_speaks(whole):
    folder, out = whole
    assert out.count("✓ train") == 1
    assert [row["epoch"] for row in history(folder)] == [1, 2, 3]
    proofs = json.loads((folder / "verification.json").read_text())
    assert len(proofs) == 4
    assert all(proof["mismatches"] == 0 for proof in proofs)


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="finds the processes by Linux' /proc")
@pytest.mark.parametrize("rank", [1, pytest.param(0, marks=pytest.mark.slow)])
def test_a_killed_process_ends_the_run_with_one_message_and_it_resumes_to_the_same_bits(
    rank, whole, flow, tmp_path
):
    run = start(flow, tmp_path / "run")
    state = tmp_path / "run" / "training.safetensors"
    began = time.monotonic()
    while not state.is_file() and time.monotonic() - began < 60:
        time.sleep(0.01)
    os.kill(worker(run, rank), signal.SIGKILL)
    code, _, errors = end(run)
    assert code != 0
    assert len(errors) == 1
    assert "another of its processes ended" in errors[0] or "torchrun ended it" in errors[0]
    assert not (tmp_path / "run" / "checkpoint.safetensors").exists()
    code, _, errors = end(start(flow, tmp_path / "run"))
    assert (code, errors) == (0, [])
    assert history(tmp_path / "run") == history(whole[0])
    ours, theirs = (load_file(folder / "checkpoint.safetensors") for folder in (tmp_path / "run", whole[0]))
    assert ours.keys() == theirs.keys()
    assert all((ours[name] == theirs[name]).all() for name in ours)


@pytest.mark.slow
def test_ctrl_c_stops_all_after_the_same_step(whole, flow, tmp_path):
    run = start(flow, tmp_path / "run")
    state = tmp_path / "run" / "training.safetensors"
    began = time.monotonic()
    while not state.is_file() and time.monotonic() - began < 60:
        time.sleep(0.01)
    os.killpg(run.pid, signal.SIGINT)  # as a terminal does
    code, _, errors = end(run)
    assert code != 0
    assert len(errors) == 1
    assert "stopped. Nothing is lost" in errors[0]
    assert end(start(flow, tmp_path / "run"))[0] == 0
    assert history(tmp_path / "run") == history(whole[0])


def alone(code):
    """What code prints in the one process of a run by torchrun."""
    of_torchrun = {"TORCHELASTIC_RUN_ID": "1", "RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0"}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        there = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}
    environment = {**os.environ, **of_torchrun, **there}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_torchrun_does_not_end_a_process_that_is_about_to_say_why_it_ends():
    """It sends SIGTERM whenever it notices the lost process, be it between an error and its message."""
    code = """
import os, signal
from etb_hw.training.distributed import AGAIN, ProcessLost, joined
try:
    with joined("cpu"):
        raise RuntimeError("gloo: connection closed by peer")
except ProcessLost as error:
    os.kill(os.getpid(), signal.SIGTERM)
    print(error)
"""
    assert "another of its processes ended" in alone(code)


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="looks for threads in Linux' /proc")
def test_no_thread_of_the_group_outlives_it():
    """One that wants the interpreter's lock while that ends would abort the process."""
    code = """
from pathlib import Path
import torch
from torch.nn.parallel import DistributedDataParallel
from etb_hw.training.distributed import joined

def threads():
    return sum("gloo" in (task / "comm").read_text() for task in Path("/proc/self/task").iterdir())

def step():
    net = DistributedDataParallel(torch.nn.Linear(2, 1))
    net(torch.ones(3, 2)).sum().backward()
    cycle = [net]
    cycle.append(cycle)
    return threads()

with joined("cpu"):
    print(step() > 0)
print(threads())
"""
    assert alone(code).split() == ["True", "0"]


def test_partners_that_are_lost_when_they_are_let_go_are_an_error_like_others(monkeypatch):
    @contextmanager
    def joined(_):
        try:
            yield Team(0, 2)
        except RuntimeError:
            raise ProcessLost("this run", "another of its processes ended", AGAIN) from None

    def told(*_):
        raise RuntimeError("gloo: connection closed by peer")

    monkeypatch.setattr(distributed, "joined", joined)
    monkeypatch.setattr(distributed, "told", told)
    with pytest.raises(ProcessLost, match="another of its processes ended"), Crew("cpu"):
        pass


def test_other_commands_are_no_work_for_several_processes(flow, monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "one")
    monkeypatch.setenv("WORLD_SIZE", "2")
    refused = CliRunner().invoke(main, ["sweep", str(flow)])
    assert refused.exit_code == 2
    assert "sweep: is no work for several processes" in refused.stderr


@pytest.mark.slow
def test_a_bad_flow_file_is_one_message(tmp_path):
    bad = tmp_path / "bad.toml"
    bad.write_text("[model]\nwidht = 2\n")
    code, _, errors = end(start(bad, tmp_path / "run"))
    assert code != 0
    assert len(errors) == 1
    assert "widht" in errors[0]
