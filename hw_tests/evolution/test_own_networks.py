"""Networks of users evolve in a loop of their own, get slim, and all their forms compute the same bits."""

from __future__ import annotations

import brevitas.nn as qnn
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from torch import Tensor, nn

import etb_hw as etb
from etb_hw.config import BuildConfig
from etb_hw.dataflow.design import design
from etb_hw.evolution.note import note_of
from etb_hw.integer import reference
from etb_hw.models.layers import EvolvingAct
from etb_hw.models.norm import ChannelNorm
from etb_hw.qonnx_io import ImportOptions, import_model
from etb_hw.qonnx_io.export import exported_model
from hw_tests.evolution.loop import train_to_the_end
from hw_tests.evolution.user_networks import NETWORKS

STEPS = 12
SUMS_FLOATS = ("react",)  # its classifier adds up floats, which rounds by the order of additions
OURS_TAKES = (
    "cnv",
    "tfc",
    "tfc_w1a2",
    "twice",
    "decoder",
)  # the others add floats, concatenate, or stand on Conv1d


def batch(shape: tuple[int, ...], seed: int, count: int = 8) -> tuple[Tensor, Tensor]:
    """Pixels of 8 bits in [0, 1), as exact floats, and labels."""
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (count, *shape), generator=generator)
    return pixels / 256, torch.randint(0, 10, (count,), generator=generator)


def same(name: str, a: Tensor, b: Tensor) -> bool:
    return torch.allclose(a, b, rtol=1e-5, atol=1e-6) if name in SUMS_FLOATS else torch.equal(a, b)


def evolved(name: str, target: float = 0.4, **options: object) -> tuple[nn.Module, etb.Evolution]:
    """A network some steps old, hard, not yet slim."""
    build, shape = NETWORKS[name]
    torch.manual_seed(0)
    model = etb.prepare(build(), batch(shape, 0)[0]).train()
    evolution = etb.Evolution(model, target, steps=STEPS, harden=0.75, **options)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for step in range(STEPS):
        x, y = batch(shape, step)
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
        evolution.step()
    return model, evolution


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_evolves_gets_slim_and_means_the_same_in_qonnx(name, tmp_path):
    model, evolution = evolved(name)
    shape = NETWORKS[name][1]
    assert evolution.done
    assert evolution.hard
    assert evolution.pruned >= 0.39
    x = batch(shape, 99)[0]
    slim = etb.slim(model, x)
    assert note_of(model) is not None
    with torch.no_grad():
        golden = slim(x)
        assert same(name, model.eval()(x), golden)
    # smaller indeed, and of stock layers
    layers = (nn.Conv1d, nn.Conv2d, nn.Linear)
    weights = {n: m.weight for n, m in slim.named_modules() if isinstance(m, layers)}
    names = {layer.name for layer in note_of(model).plan.layers}
    before = sum(
        model.get_submodule(n if n in names else n.rpartition(".")[0]).weight.numel() for n in weights
    )  # a layer that pads is behind its pad
    assert sum(w.numel() for w in weights.values()) <= 0.62 * before
    kinds = {type(m) for m in slim.modules() if not list(m.children())}
    assert not {kind for kind in kinds if kind.__module__.startswith("etb_hw")} - {ChannelNorm}
    path = etb.export(slim, tmp_path / "model.qonnx.onnx")
    wrapped = ModelWrapper(str(path))
    source, sink = wrapped.graph.input[0].name, wrapped.graph.output[0].name
    found = [execute_onnx(wrapped, {source: frame[None].numpy()})[sink] for frame in x]
    assert same(name, torch.from_numpy(np.concatenate(found)), golden)
    if name in OURS_TAKES:
        options = ImportOptions.parse("uint8", "1/256")
        graph = import_model(path, options)
        pixels = (x * 256).to(torch.uint8).numpy()
        np.testing.assert_array_equal(graph.dequantize(reference.execute(graph, pixels)), golden.numpy())
        assert design(graph, BuildConfig(target_fps=50)).graph.fps >= 50


@pytest.mark.parametrize("name", ["twice", "keywords"])
def test_few_bit_activations_go_all_the_way(name, tmp_path):
    build, shape = NETWORKS[name]
    torch.manual_seed(0)
    model = etb.prepare(build(), batch(shape, 0)[0], {"*": etb.Rule(activation="uint2")}).train()
    evolution = etb.Evolution(model, 0.4, steps=STEPS)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for step in range(STEPS):
        x, y = batch(shape, step)
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
        evolution.step()
    x = batch(shape, 99)[0]
    slim = etb.slim(model, x)
    path = etb.export(slim, tmp_path / "model.qonnx.onnx")
    wrapped = ModelWrapper(str(path))
    source, sink = wrapped.graph.input[0].name, wrapped.graph.output[0].name
    found = [execute_onnx(wrapped, {source: frame[None].numpy()})[sink] for frame in x]
    np.testing.assert_array_equal(np.concatenate(found), slim(x).detach().numpy())
    if name in OURS_TAKES:
        graph = import_model(path, ImportOptions.parse("uint8", "1/256"))
        assert any(type_.dtype.name == "UINT2" for type_ in graph.types.values())


@pytest.mark.parametrize("name", NETWORKS)
def test_slimming_in_mid_training_changes_nothing_but_the_size(name):
    model, evolution = evolved(name)
    x, y = batch(NETWORKS[name][1], 50)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    F.cross_entropy(model(x), y).backward()
    optimizer.step()
    evolution.step()
    with torch.no_grad():
        before = model.eval()(x)
    evolution.slim(optimizer)
    with torch.no_grad():
        assert same(name, model(x), before)
    for parameter, state in optimizer.state.items():
        assert all(v.shape == parameter.shape for v in state.values() if v.ndim)
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    assert held == {id(p) for p in model.parameters()}
    weights = [p.detach().clone() for p in model.parameters()]
    model.train()
    optimizer.zero_grad()
    F.cross_entropy(model(x), y).backward()
    optimizer.step()
    evolution.step()
    assert any(not torch.equal(a, b) for a, b in zip(weights, model.parameters(), strict=True))
    etb.slim(model, x)


def test_residual_sums_become_integers_where_asked():
    """torchvision's residual network, rounded in front of its additions, goes through the integer graph."""
    shape = NETWORKS["resnet"][1]
    torch.manual_seed(0)
    model = etb.prepare(NETWORKS["resnet"][0](), batch(shape, 0)[0], additions="stream").train()
    acts = [module for module in model.modules() if isinstance(module, EvolvingAct)]
    assert [act.kind.name for act in acts].count("stream") == 4
    evolution = etb.Evolution(model, 0.3, steps=STEPS)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for step in range(STEPS):
        x, y = batch(shape, step)
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
        evolution.step()
    x = batch(shape, 99)[0]
    slim = etb.slim(model, x)
    graph = import_model(exported_model(slim, shape, None), ImportOptions.parse("uint8", "1/256"))
    found = graph.dequantize(reference.execute(graph, (x * 256).to(torch.uint8).numpy()))
    np.testing.assert_array_equal(found, slim(x).detach().numpy())
    assert design(graph, BuildConfig(target_fps=100)).graph.fps >= 100


def test_a_binary_stream_of_integers_goes_all_the_way():
    """With a rule that rounds what is added, residual networks have an integer form too."""

    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8))
            self.conv = nn.Conv2d(8, 8, 3, padding=1, bias=False)
            self.bn = nn.BatchNorm2d(8)
            self.round1, self.round2 = nn.Identity(), nn.Identity()
            self.sign = nn.Hardtanh()
            self.after = nn.Hardtanh()
            self.fc = nn.Linear(8 * 64, 10)

        def forward(self, x: Tensor) -> Tensor:
            x = self.round1(self.stem(x))
            x = x + self.round2(self.bn(self.conv(self.sign(x))))
            return self.fc(self.after(x).flatten(1))

    torch.manual_seed(0)
    pixels = torch.randint(0, 256, (8, 1, 8, 8)).float()
    model = etb.prepare(Residual(), pixels, {"round*": etb.Rule(activation="stream")}).train()
    evolution = etb.Evolution(model, 0.3, steps=8)
    train_to_the_end(model, evolution, pixels)
    slim = etb.slim(model, pixels)
    graph = import_model(exported_model(slim, (1, 8, 8)))
    found = graph.dequantize(reference.execute(graph, pixels.numpy().astype(np.uint8)))
    np.testing.assert_array_equal(found, slim(pixels).detach().numpy())


def halves_by_chunk(x: Tensor) -> tuple[Tensor, ...]:
    return tuple(x.chunk(2, 1)[i] for i in range(2))


def halves_by_split(x: Tensor) -> tuple[Tensor, ...]:
    first, second = torch.split(x, 4, dim=1)
    return first, second


@pytest.mark.parametrize("halves", [halves_by_chunk, halves_by_split])
def test_channels_that_are_split_stay_whole_and_others_are_cut(halves):
    class Split(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Conv2d(1, 8, 3, padding=1, bias=False)
            self.bn = nn.BatchNorm2d(8)
            self.branch = nn.Conv2d(4, 16, 3, padding=1, bias=False)
            self.branch_bn = nn.BatchNorm2d(16)
            self.fc = nn.Linear(20 * 64, 10)

        def forward(self, x: Tensor) -> Tensor:
            first, second = halves(F.relu(self.bn(self.stem(x))))
            joined = torch.cat(tensors=[first, F.relu(self.branch_bn(self.branch(second)))], dim=1)
            return self.fc(joined.flatten(1))

    torch.manual_seed(0)
    pixels = torch.randint(0, 256, (8, 1, 8, 8)).float()
    model = etb.prepare(Split(), pixels).train()
    evolution = etb.Evolution(model, 0.3, count="parameters", steps=8)
    train_to_the_end(model, evolution, pixels)
    slim = etb.slim(model, pixels)
    assert torch.equal(slim(pixels), model.eval()(pixels))
    layers = {n: m.weight.shape for n, m in slim.named_modules() if isinstance(m, nn.Conv2d)}
    stems = [shape[0] for name, shape in layers.items() if name.startswith("stem")]
    branches = [shape[0] for name, shape in layers.items() if name.startswith("branch")]
    assert stems == [8]
    assert branches[0] < 16


class Truncating(nn.Module):
    """As Brevitas' MobileNetV1 ends: values with their scale, a pool, a classifier."""

    def __init__(self, pool: nn.Module) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.act = qnn.QuantReLU(bit_width=4, return_quant_tensor=True)
        self.pool, self.fc = pool, nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.act(self.norm(self.conv(x))))
        return self.fc(x.view(x.shape[0], -1))


@pytest.mark.parametrize("pool", [nn.MaxPool2d(8), qnn.TruncAvgPool2d(8, bit_width=4)])
def test_sums_of_tensors_with_scales_are_compared_without_rounding(pool: nn.Module) -> None:
    torch.manual_seed(0)
    x = torch.randint(0, 17, (4, 3, 8, 8)).float()
    model = etb.prepare(Truncating(pool), x)
    train_to_the_end(model, etb.Evolution(model, target=0.3, steps=8), x)
    etb.slim(model, x)  # compares
