"""Training throughput: the ETB step against stock Brevitas binary layers and plain float PyTorch."""

from __future__ import annotations

import time
from collections.abc import Callable
from shutil import which

import torch
import torch.nn.functional as F
from brevitas.nn import QuantConv2d, QuantIdentity, QuantLinear
from brevitas.quant.binary import SignedBinaryActPerTensorConst, SignedBinaryWeightPerTensorConst
from rich.console import Console
from rich.table import Table
from torch import nn

from etb_hw.config import EvolutionConfig, TrainingConfig
from etb_hw.evolution.allocation import Limits
from etb_hw.evolution.controller import Controller
from etb_hw.evolution.course import Course
from etb_hw.evolution.cut import cut
from etb_hw.evolution.net import PreparedNet
from etb_hw.evolution.schedule import schedule_of
from etb_hw.evolution.topologies import prepared
from etb_hw.models import BinaryNet, NetSpec
from etb_hw.models.layers import set_hard
from etb_hw.models.vgg_small import vgg_small
from etb_hw.pruning import cost_function
from etb_hw.tool_needs import COMPILERS
from etb_hw.training.compiled import compiled
from etb_hw.training.devices import halved
from etb_hw.training.optim import evolving_optimizers

WIDTH, SHAPE, BATCH, STEPS, ROUNDS, KEPT = 0.25, (3, 16, 16), 64, 3, 4, 0.7


def twin(spec: NetSpec, stock: bool) -> nn.Module:
    """The same network in stock Brevitas binary layers, or in plain float layers."""
    layers: list[nn.Module] = []
    for layer in spec.weighted:
        size = spec.geometry(layer)
        if layer.op == "conv":
            kind = {"weight_quant": SignedBinaryWeightPerTensorConst} if stock else {}
            conv = QuantConv2d if stock else nn.Conv2d
            layers.append(conv(size.inputs, size.outputs, 3, padding=1, bias=False, **kind))
            layers += [nn.MaxPool2d(2)] if layer.pool > 1 else []
            layers.append(nn.BatchNorm2d(size.outputs))
            layers.append(QuantIdentity(act_quant=SignedBinaryActPerTensorConst) if stock else nn.ReLU())
        else:
            kind = {"weight_quant": SignedBinaryWeightPerTensorConst} if stock else {}
            layers += [
                nn.Flatten(),
                (QuantLinear if stock else nn.Linear)(size.fan_in, 10, bias=False, **kind),
            ]
    return nn.Sequential(*layers).to(memory_format=torch.channels_last)


def plain_step(net: nn.Module) -> Callable[[], None]:
    optimizer = torch.optim.Adam(net.parameters(), foreach=True)
    x, y = batch()

    def step() -> None:
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def etb_step(net: BinaryNet, called: nn.Module | None = None, amp: bool = False) -> Callable[[], None]:
    """A step of a flow's training, far from the steps at which a network changes its form.

    Args:
        called: what the step calls in place of the network: the same one, compiled.
        amp: as ``training.amp``, in bfloat16 where the CPU has it.
    """
    called = net if called is None else called
    groups, steps = PreparedNet(net), 10**6
    schedule = schedule_of(steps, 1, EvolutionConfig())
    limits = Limits(dict.fromkeys(groups.plan.prunable, 1), multiple=1, floor=1)
    config = EvolutionConfig(ratio=0.0)
    controller = Controller(groups.plan, config, schedule, cost_function(groups.plan, "parameters"), limits)
    evolution = Course(groups, controller)
    optimizers = evolving_optimizers(net, TrainingConfig(), evolution.adam)
    x, y = batch()

    def step() -> None:
        with halved(x, amp):
            output = called(x)
        F.cross_entropy(output.float(), y).backward()
        optimizers.step(1.0)
        net.project()
        evolution.step()

    return step


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randint(0, 256, (BATCH, *SHAPE)).float().contiguous(memory_format=torch.channels_last)
    return x, torch.randint(0, 10, (BATCH,))


def fading(spec: NetSpec) -> BinaryNet:
    """A network some of whose channels are on their way to zero."""
    net = prepared(BinaryNet(spec)).train()
    groups = PreparedNet(net)
    for group, width in spec.widths.items():
        if group in spec.prunable:
            groups.fade_borders(group, torch.where(torch.arange(width) < round(KEPT * width), 1.0, 0.5))
    return net


def main() -> None:
    torch.set_num_threads(1)
    spec = vgg_small(SHAPE, 10, WIDTH)
    hard = prepared(BinaryNet(spec)).train()
    set_hard(hard)
    slim = prepared(BinaryNet(spec)).train()
    groups = PreparedNet(slim)
    for group, width in spec.widths.items():
        if group in spec.prunable:
            groups.set_alive(group, (torch.arange(width) < round(KEPT * width)).float())
    groups.set_hard()
    cut(groups, groups.keep())
    steps = {
        "float PyTorch": plain_step(twin(spec, stock=False)),
        "stock Brevitas binary": plain_step(twin(spec, stock=True)),
        "ETB, evolving": etb_step(prepared(BinaryNet(spec)).train()),
        "ETB, evolving, amp": etb_step(prepared(BinaryNet(spec)).train(), amp=True),
        f"ETB, evolving, {1 - KEPT:.0%} of the channels fade": etb_step(fading(spec)),
        "ETB, binary phase, unpruned": etb_step(hard),
        f"ETB, slim ({KEPT:.0%} of the filters)": etb_step(slim),
    }
    if any(map(which, COMPILERS)):
        evolving = prepared(BinaryNet(spec)).train()
        steps["ETB, evolving, compile"] = etb_step(evolving, compiled(evolving))
        evolving = prepared(BinaryNet(spec)).train()
        steps["ETB, evolving, compile, amp"] = etb_step(evolving, compiled(evolving), amp=True)
    best = dict.fromkeys(steps, float("inf"))
    for _ in range(ROUNDS):  # interleaved, so that a busy machine slows all of them alike
        for name, step in steps.items():
            step()
            begun = time.process_time()
            for _ in range(STEPS):
                step()
            best[name] = min(best[name], (time.process_time() - begun) / STEPS)
    reference = best["stock Brevitas binary"]
    table = Table(title=f"VGG-Small x{WIDTH}, {SHAPE[1]}x{SHAPE[2]}, batch {BATCH}, one CPU thread")
    for column in ("training step", "ms (CPU time)", "images/s", "time / stock Brevitas"):
        table.add_column(column, justify="left" if column == "training step" else "right")
    for name, seconds in best.items():
        table.add_row(name, f"{1e3 * seconds:.1f}", f"{BATCH / seconds:.0f}", f"{seconds / reference:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
