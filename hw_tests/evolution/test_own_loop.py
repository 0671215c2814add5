"""The evolution in loops of users: saved, copied, compiled, in bfloat16, in two processes, in Lightning."""

from __future__ import annotations

import copy
import io
import json
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import etb_hw as etb
from etb_hw.errors import BadInput, InfeasibleTarget

STEPS = 16


def small() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 12, 3, padding=1, bias=False), nn.BatchNorm2d(12), nn.Hardtanh(), nn.MaxPool2d(2),
        nn.Conv2d(12, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.Hardtanh(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64, 10),
    )  # fmt: skip


def batch(step: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(step)
    x = torch.randint(0, 256, (16, 1, 8, 8), generator=generator) / 256
    return x, torch.randint(0, 10, (16,), generator=generator)


class Session:
    """A bare loop as a user writes it."""

    def __init__(self, model: nn.Module | None = None, **options: object) -> None:
        torch.manual_seed(0)
        self.model = etb.prepare(small(), batch(0)[0]).train() if model is None else model
        self.evolution = etb.Evolution(self.model, 0.4, steps=STEPS, threshold_lr=1e-3, **options)
        self.optimizer = torch.optim.Adam(self.model.parameters(), 1e-2)

    def run(self, begin: int = 0, end: int = STEPS) -> Session:
        for step in range(begin, end):
            x, y = batch(step)
            self.optimizer.zero_grad()
            F.cross_entropy(self.model(x), y).backward()
            self.optimizer.step()
            self.evolution.step()
            if step == 10:
                self.evolution.slim(self.optimizer)
        return self

    def bits(self) -> dict[str, Tensor]:
        return {name: value.clone() for name, value in self.model.state_dict().items()}

    def state(self) -> dict[str, object]:
        return copy.deepcopy(
            {
                "evolution": self.evolution.state_dict(),
                "model": self.model.state_dict(),
                "optimizer": self.optimizer.state_dict(),
            }
        )


def equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("stop", [5, 9, 13])
def test_a_saved_session_goes_on_with_the_same_bits(stop, tmp_path):
    whole = Session().run()
    torch.save(Session().run(0, stop).state(), tmp_path / "state.pt")
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    later = Session()
    later.evolution.load_state_dict(state["evolution"], later.optimizer)
    later.model.load_state_dict(state["model"])
    later.optimizer.load_state_dict(state["optimizer"])
    later.run(stop)
    assert equal(later.bits(), whole.bits())
    assert later.evolution.widths == whole.evolution.widths


def test_a_copy_evolves_as_the_original_would():
    whole = Session()
    twin = copy.deepcopy(whole)
    assert equal(whole.run().bits(), twin.run().bits())
    graph = etb.prepare(_functional(), batch(0)[0])
    assert etb.groups(copy.deepcopy(graph)) == etb.groups(graph)


class _functional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net, self.fc = small()[:2], nn.Linear(12 * 64, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(F.relu(self.net(x)).flatten(1))


def test_figures_follow_the_evolution():
    session = Session()
    seen = []
    for step in range(session.evolution.schedule.steps):
        session.run(step, step + 1)
        seen.append(session.evolution.figures())
    for found in seen:
        assert found["binary"] + found["ternary"] + found["zero"] == pytest.approx(1)
    assert seen[0]["zero"] == 0 < seen[0]["ternary"]
    cut = 1 - sum(session.evolution.widths.values()) / sum(
        session.evolution.original.widths[group] for group in session.evolution.widths
    )
    assert seen[-1]["zero"] == pytest.approx(cut)
    assert seen[-1]["binary"] == pytest.approx(1 - cut)
    assert seen[-1]["zero weights"] == 0 < seen[0]["zero weights"]
    assert seen[-1]["pruned"] == session.evolution.pruned
    fresh = Session().evolution.thresholds()
    assert {name.rsplit(" ", 1)[1] for name in fresh} == {"weights", "activations"}
    assert all(len(values) and (values > 0).all() for values in fresh.values())
    assert session.evolution.thresholds() == {}


def test_compiled_training_takes_the_same_steps():
    plain = Session().run()
    compiled = Session()
    compiled.model = torch.compile(compiled.model, backend="aot_eager")
    compiled.run()
    x = batch(77)[0]
    assert plain.evolution.widths == compiled.evolution.widths
    assert torch.equal(etb.slim(plain.model)(x), etb.slim(compiled.model)(x))


def test_half_precision_trains_and_stays_exact():
    session = Session()
    with torch.autocast("cpu", torch.bfloat16):
        session.run()
    etb.slim(session.model)
    assert session.evolution.pruned >= 0.39
    saved = session.evolution.savings()
    assert saved["parameters"].ratio == pytest.approx(session.evolution.pruned)
    assert saved["parameters"].before == 9 * 12 + 9 * 12 * 16 + 640
    assert saved["macs"].before == 64 * 9 * 12 + 16 * 9 * 12 * 16 + 640
    assert saved["filters"].after == sum(session.evolution.widths.values())


def test_thresholds_learn_here_and_nowhere_else():
    session = Session()
    quantizers = [m.quant for m in session.model.modules() if hasattr(m, "quant")]
    for group in session.optimizer.param_groups:
        group["lr"] = 10.0  # would throw any threshold out of [0, 1]
    before = [q.threshold.detach().clone() for q in quantizers]
    session.run(0, 2)
    for old, quantizer in zip(before, quantizers, strict=True):
        assert (quantizer.threshold - old).abs().max() < 0.01
        assert not torch.equal(quantizer.threshold, old)


@pytest.mark.parametrize("count", ["filters", "macs", "luts"])
def test_other_costs_are_met(count):
    torch.manual_seed(0)
    model = etb.prepare(small(), batch(0)[0]).train()
    counted = etb.luts(fps=1_000_000) if count == "luts" else count
    evolution = etb.Evolution(model, 0.3, counted, steps=8)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    for step in range(8):
        x, y = batch(step)
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
        evolution.step()
    assert evolution.pruned >= 0.3 - 1e-9
    etb.slim(model)


WORKER = """
import json, sys, warnings
warnings.filterwarnings("ignore")
sys.path[:0] = [sys.argv[2]]
import torch, torch.distributed as dist
import torch.nn.functional as F
import etb_hw as etb
from test_own_loop import batch, small
dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
model = etb.prepare(small(), batch(0)[0]).train()
parallel = torch.nn.parallel.DistributedDataParallel(model)
evolution = etb.Evolution(parallel, 0.4, steps=12)
optimizer = torch.optim.Adam(model.parameters(), 1e-2)
for step in range(12):
    x, y = batch(step)
    optimizer.zero_grad()
    F.cross_entropy(parallel(x[rank::2]), y[rank::2]).backward()
    optimizer.step()
    evolution.step()
    if step == 7:
        evolution.slim(optimizer)
        parallel = torch.nn.parallel.DistributedDataParallel(model)
for buffer in model.buffers():
    dist.broadcast(buffer, 0)
slim = etb.slim(parallel)
with open(f"{sys.argv[1]}/rank{rank}.json", "w") as file:
    json.dump([evolution.widths, slim(batch(50)[0]).tolist()], file)
"""


def test_two_processes_evolve_alike(tmp_path):
    (tmp_path / "worker.py").write_text(WORKER)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    here = __file__.rpartition("/")[0]
    done = subprocess.run(
        [*launch, str(tmp_path / "worker.py"), str(tmp_path), here],
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    first, second = (json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in range(2))
    assert first == second


# --- Lightning


def fits(callback: etb.EvolutionCallback, module: nn.Module, begin: int = 0, end: int = STEPS) -> None:
    """What Lightning's automatic optimization does, in its order of calls."""
    optimizer = torch.optim.Adam(module.parameters(), 1e-2)
    trainer = SimpleNamespace(estimated_stepping_batches=STEPS, global_step=begin)
    callback.on_fit_start(trainer, module)
    for step in range(begin, end):
        for part in range(2):  # gradients of two batches a step
            x, y = batch(2 * step + part)
            if part == 0:
                optimizer.zero_grad()
            F.cross_entropy(module(x), y).backward()
            if part == 1:
                optimizer.step()
                trainer.global_step += 1
            callback.on_train_batch_end(trainer, module, None, (x, y), step)


class Task(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = etb.prepare(small(), batch(0)[0])

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


def test_the_callback_steps_once_an_optimizer_step_and_resumes():
    task, callback = Task().train(), etb.EvolutionCallback(0.4)
    fits(callback, task)
    assert callback.evolution.done
    assert callback.evolution.pruned >= 0.39
    etb.slim(task.net)
    with pytest.raises(BadInput, match="holds no prepared network"):
        etb.EvolutionCallback(0.4).on_fit_start(SimpleNamespace(estimated_stepping_batches=3), small())
    half, first = Task().train(), etb.EvolutionCallback(0.4)
    fits(first, half, 0, 6)
    resumed = etb.EvolutionCallback(0.4)
    resumed.load_state_dict(first.state_dict())
    fits(resumed, half, 6)
    assert resumed.evolution.done
    etb.slim(half.net)


def test_in_lightning_itself(tmp_path):
    lightning = pytest.importorskip(
        "lightning", reason="Lightning is not installed; its protocol is tested above"
    )

    class Module(lightning.LightningModule):  # type: ignore[name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.net = Task().net

        def training_step(self, pair: tuple[Tensor, Tensor], index: int) -> Tensor:
            return F.cross_entropy(self.net(pair[0]), pair[1])

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters(), 1e-2)

    module, callback = Module(), etb.EvolutionCallback(0.4)
    trainer = lightning.Trainer(
        max_epochs=2, callbacks=[callback], logger=False, enable_checkpointing=False, accelerator="cpu",
        enable_progress_bar=False, default_root_dir=tmp_path,
    )  # fmt: skip
    batches = [batch(step) for step in range(8)]
    trainer.fit(module, torch.utils.data.DataLoader(batches, batch_size=None))
    assert callback.evolution.done
    assert etb.slim(module.net)(batch(0)[0]).shape == (16, 10)


# --- what users get wrong


def test_errors_say_what_to_do():
    model = small()
    prepared = etb.prepare(model, batch(0)[0])
    with pytest.raises(BadInput, match="prepared already"):
        etb.prepare(prepared, batch(0)[0])
    for rules, message in (
        ({"0": {"prune": False}}, r"rule '0': is a dict(.|\n)*Rule\(prune=False\)"),
        ({0: etb.Rule()}, "rule 0: is no module path"),
        ([etb.Rule()], "rules: is a list"),
    ):
        with pytest.raises(BadInput, match=message):
            etb.prepare(model, batch(0)[0], rules)
        with pytest.raises(BadInput, match=message):
            etb.Network(model, rules)
    with pytest.raises(BadInput, match=r"class Sequential(.|\n)*Sequential\(\.\.\.\)"):
        etb.prepare(nn.Sequential, batch(0)[0])
    with pytest.raises(BadInput, match="model: is a Tensor"):
        etb.Evolution(batch(0)[0], 0.4, steps=3)
    with pytest.raises(BadInput, match="samples: is a DataLoader"):
        etb.slim(prepared, torch.utils.data.DataLoader([1]))
    with pytest.raises(BadInput, match="is not prepared"):
        etb.Evolution(model, 0.4, steps=3)
    with pytest.raises(BadInput, match="still evolving"):
        etb.slim(prepared)
    with pytest.raises(BadInput, match=r"export etb_hw\.slim"):
        etb.export(prepared, "never.onnx")
    with pytest.raises(BadInput, match="hardenn") as caught:
        etb.Evolution(prepared, 0.4, steps=3, hardenn=0.5)
    assert not {"ratio", "count", "target_luts"} & set(re.findall(r"\w+", caught.value.remedy))
    with pytest.raises(BadInput, match=r"Evolution: target: is 50(.|\n)*less than 1"):
        etb.Evolution(prepared, 50, steps=3)
    with pytest.raises(BadInput, match=r"Evolution: harden: (.|\n)*another value; harden: "):
        etb.Evolution(prepared, 0.4, steps=3, harden=3)
    with pytest.raises(BadInput, match=r"Evolution: count: is 'weights'(.|\n)*use parameters"):
        etb.Evolution(prepared, 0.4, "weights", steps=3)
    with pytest.raises(BadInput, match=r"Evolution: ratio: (.|\n)*target=0.5"):
        etb.Evolution(prepared, 0.4, steps=3, ratio=0.5)
    with pytest.raises(BadInput, match=r"Evolution: caps: has 1 values"):
        etb.Evolution(prepared, 0.4, steps=3, caps=(0.5,))
    single = etb.prepare(nn.Sequential(nn.Flatten(), nn.Linear(batch(0)[0][0].numel(), 4)), batch(0)[0])
    with pytest.raises(BadInput, match="Evolution: target: no group of channels may be cut"):
        etb.Evolution(single, 0.4, steps=3)
    with pytest.raises(BadInput, match="luts"):
        etb.Evolution(prepared, 0.4, "luts", steps=3)
    with pytest.raises(InfeasibleTarget, match=r"target: 90% of parameters cannot be cut"):
        etb.Evolution(prepared, 0.9, steps=3, floor=10)
    evolution = etb.Evolution(prepared, 0.4, steps=3)
    with pytest.raises(BadInput, match="no gradients"):
        evolution.step()
    (prepared(batch(0)[0]) * 0).sum().backward()
    with pytest.raises(BadInput, match="gradients of the thresholds are zero"):
        evolution.step()
    with pytest.raises(BadInput, match="still evolving to zero"):
        evolution.slim()


def test_an_optimizer_of_another_network_is_told() -> None:
    """Made before prepare, or for a network that was cut since: its steps move nothing."""
    x, y = batch(0)
    model = small()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    prepared = etb.prepare(model, x)
    evolution = etb.Evolution(prepared, 0.4, steps=40)
    for _ in range(10):
        F.cross_entropy(prepared(x), y).backward()
        optimizer.step()
        evolution.step()
    with pytest.raises(BadInput, match="no weight has changed for 10 steps"):
        evolution.step()


def test_weights_may_stand_still_for_a_while_or_for_good() -> None:
    """A warm-up that begins with 0; and a network whose weights are not to be trained."""
    x, y = batch(0)
    for frozen in (False, True):
        prepared = etb.prepare(small(), x)
        evolution = etb.Evolution(prepared, 0.4, steps=30)
        for name, parameter in prepared.named_parameters():
            parameter.requires_grad_(not (frozen and name.endswith("weight")))
        optimizer = torch.optim.SGD(prepared.parameters(), 0.0)
        for step in range(30):
            optimizer.param_groups[0]["lr"] = 0.0 if step < 9 else 0.1
            F.cross_entropy(prepared(x), y).backward()
            optimizer.step()
            evolution.step()
        assert evolution.done


def test_a_single_optimizer_is_taken_as_well() -> None:
    x, y = batch(0)
    prepared = etb.prepare(small(), x)
    evolution = etb.Evolution(prepared, 0.4, steps=30)
    optimizer = torch.optim.Adam(prepared.parameters(), 0.01)
    while not evolution.done:
        optimizer.zero_grad()
        F.cross_entropy(prepared(x), y).backward()
        optimizer.step()
        evolution.step(optimizers=optimizer)
    known = {id(p) for group in optimizer.param_groups for p in group["params"]}
    assert all(id(p) in known for p in prepared.parameters() if p.requires_grad)
    with pytest.raises(BadInput, match="lr: is Adam") as refused:
        evolution.step(optimizer)
    assert "optimizers=optimizer" in refused.value.remedy


def test_a_session_may_be_pickled() -> None:
    prepared = etb.prepare(small(), batch(0)[0])
    evolution = etb.Evolution(prepared, 0.4, steps=30)
    stored = io.BytesIO()
    torch.save(evolution, stored)
    stored.seek(0)
    assert torch.load(stored, weights_only=False).widths == evolution.widths


def test_networks_of_other_floats_are_refused() -> None:
    prepared = etb.prepare(small(), batch(0)[0])
    for act in (lambda: etb.Evolution(prepared, 0.4, steps=30), lambda: etb.slim(prepared)):
        prepared.double()
        with pytest.raises(BadInput, match=r"parameters of torch\.float64"):
            act()
    with pytest.raises(BadInput, match=r"parameters of torch\.float64"):
        etb.prepare(small().double(), batch(0)[0].double())


@pytest.mark.parametrize(("scale", "told"), [(1, False), (1 / 255, True), (2, True), (-1, True)])
def test_an_input_type_that_the_example_does_not_have_is_told(scale, told, tmp_path, caplog):
    x = torch.arange(64.0).reshape(4, 16) * 4 * scale  # 0..252
    model = etb.prepare(nn.Sequential(nn.Linear(16, 8), nn.Hardtanh(), nn.Linear(8, 4)), x)
    evolution = etb.Evolution(model, 0.2, steps=4)
    evolution.finish()
    slim = etb.slim(model, x)
    etb.export(slim, tmp_path / "any.onnx")
    assert not caplog.records
    etb.export(slim, tmp_path / "model.onnx", input_dtype="uint8")
    assert ("are no UINT8" in caplog.text) == told
