"""Hardening, slimming, deploying and saving: each yields the same logits, bit for bit."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

from etb_hw.errors import BadInput
from etb_hw.evolution.cut import cut
from etb_hw.evolution.net import PreparedNet
from etb_hw.evolution.topologies import prepared
from etb_hw.integer import DataType
from etb_hw.models import BinaryNet
from etb_hw.models.blocks import Classifier
from etb_hw.models.layers import set_hard
from etb_hw.models.norm import ChannelNorm
from etb_hw.models.vgg_small import vgg_small
from etb_hw.pruning import deployable, harden, load_checkpoint, report, save_checkpoint
from etb_hw.pruning.hard import thresholds_by_evaluation
from etb_hw.pruning.sizes import layer_bytes

WIDTHS = (5, 7, 6, 9, 8, 11)


def trained_like(seed: int = 0) -> BinaryNet:
    """A network with lively batch normalisations, some channels given up."""
    torch.manual_seed(seed)
    net = BinaryNet(vgg_small((2, 8, 8), 10, widths=WIDTHS))
    x = torch.randint(0, 256, (64, 2, 8, 8)).float()
    for _ in range(3):
        net(x)
    for block in net.layers.values():
        if block.norm is not None:
            block.norm.weight.data.uniform_(0.2, 2)
            block.norm.bias.data.normal_(0, 0.5)
        if isinstance(block, Classifier):
            block.logits.bias.data.normal_(0, 1)
    return net.eval()


def some_alive(net: BinaryNet) -> tuple[BinaryNet, dict[str, torch.Tensor]]:
    """The network with some dead channels, and those that are alive a group."""
    made = prepared(net)
    groups = PreparedNet(made)
    for i, group in enumerate(net.spec.prunable):
        alive = torch.ones(net.spec.widths[group])
        alive[i % 4 :: 3] = 0
        groups.set_alive(group, alive)
    groups.set_hard()
    return made, groups.keep()


def slim(net: BinaryNet, keep: dict[str, torch.Tensor]) -> BinaryNet:
    made = copy.deepcopy(net)
    cut(PreparedNet(made), keep)
    return made


@pytest.fixture
def pixels() -> torch.Tensor:
    return torch.randint(0, 256, (50, 2, 8, 8), generator=torch.Generator().manual_seed(5)).float()


@pytest.mark.parametrize("seed", range(5))
def test_slimming_changes_no_logit(pixels, seed):
    net, keep = some_alive(trained_like(seed))
    slimmed = slim(net, keep)
    assert torch.equal(slimmed(pixels), net(pixels))
    assert slimmed.spec.widths["conv3"] == len(keep["conv3"])


def test_hardened_slim_deployed_and_widened_agree(pixels):
    net, keep = some_alive(trained_like())
    slimmed = slim(net, keep)
    full, hard = harden(net), harden(slimmed)
    expected = hard(pixels)
    assert torch.equal(expected, expected.round())
    assert torch.equal(full(pixels), expected)
    assert torch.equal(hard.widened(net.spec, keep)(pixels), expected)
    assert torch.equal(deployable(hard)(pixels), expected)
    logits = slimmed.layer("classifier").logits
    soft = slimmed(pixels) / (logits.log_scale.exp() / logits.unit)
    torch.testing.assert_close(soft, expected)


def test_trainable_slim_network_is_new_and_trains(pixels):
    net, keep = some_alive(trained_like())
    slimmed = slim(net, keep).train()
    slimmed(pixels).sum().backward()
    assert all(p.grad is not None for p in slimmed.parameters() if p.requires_grad)
    assert not {id(p) for p in slimmed.parameters()} & {id(p) for p in net.parameters()}


def test_checkpoint_round_trip(tmp_path, pixels):
    hard = harden(slim(*some_alive(trained_like())))
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(hard, path, {"accuracy": 0.5})
    loaded, notes = load_checkpoint(path)
    assert notes == {"accuracy": 0.5}
    assert loaded.spec == hard.spec
    assert torch.equal(loaded(pixels), hard(pixels))


def test_damaged_checkpoints_are_refused(tmp_path):
    net = trained_like()
    set_hard(net)
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(harden(net), path)
    content = path.read_bytes()
    for damaged in (
        content[: len(content) // 2],
        b"",
        b"not a checkpoint",
        content.replace(b"hardened", b"hardenex"),
    ):
        path.write_bytes(damaged)
        with pytest.raises(BadInput):
            load_checkpoint(path)
    with pytest.raises(BadInput, match="does not exist"):
        load_checkpoint(tmp_path / "absent.safetensors")


def test_refuses_ternary_nan_and_unslimmed(pixels):
    net = trained_like()
    with pytest.raises(BadInput, match="ternary"):
        harden(net)
    net, _ = some_alive(net)
    with pytest.raises(BadInput, match="removed filters"):
        deployable(harden(net))
    net.layer("conv2").core.weight.data[0, 0, 0, 0] = float("nan")
    with pytest.raises(BadInput, match=r"conv2.*NaN"):
        harden(net)


def test_report_counts():
    before = vgg_small((1, 8, 8), 10, widths=WIDTHS)
    after = before.with_widths({"conv2": 3, "conv6": 6})
    sizes = report(before, after, "parameters", 0.2, 0.25)
    rows = {row.name: row for row in sizes.layers}
    assert rows["conv1"].parameters.before == rows["conv1"].parameters.after == 9 * 5
    assert (rows["conv3"].parameters.before, rows["conv3"].parameters.after) == (9 * 7 * 6, 9 * 3 * 6)
    assert rows["conv1"].macs.before == 64 * 9 * 5
    assert rows["classifier"].parameters.after == 6 * 4 * 10
    assert (sizes.filters.before, sizes.filters.after) == (sum(WIDTHS), sum(WIDTHS) - 4 - 5)
    assert sizes.parameters.before == sum(row.parameters.before for row in sizes.layers)
    values = json.loads(json.dumps(sizes.to_json()))
    assert values["filters"]["ratio"] == pytest.approx(9 / sum(WIDTHS))


@pytest.mark.parametrize("width", [7, 8, 28, 29, 57])
def test_bytes_hold_every_threshold_that_matters(width):
    """Sums of n signs go from -n to n; 9 * 7 = 63 and 9 * 57 = 513 need a bit more than one less would."""
    spec = vgg_small((1, 8, 8), 10, widths=(width, 3, 4, 5, 6, 7))
    layer = next(layer for layer in spec.layers if layer.name == "conv2")
    bits = DataType.smallest(-9 * width, 9 * width).bits
    assert layer_bytes(spec, layer) == -(-(9 * width * 3 + 3 * bits) // 8)


floats = st.floats(-1e6, 1e6, width=32)


@settings(max_examples=200, deadline=None)
@given(
    mean=floats,
    variance=st.one_of(st.floats(0, 2.0**40, width=32), st.sampled_from([0.0, 1e-12, 1e30])),
    slope=st.floats(2**-7, 1e6, width=32),
    shift=floats,
    bound=st.integers(1, 400),
)
def test_thresholds_equal_float32_evaluation(mean, variance, slope, shift, bound):
    norm = ChannelNorm(1).eval()
    norm.running_mean.fill_(mean)
    norm.running_var.fill_(variance)
    norm.weight.data.fill_(slope)
    norm.bias.data.fill_(shift)
    sums = torch.arange(-bound, bound + 1, dtype=torch.float32)
    expected = (norm(sums.view(-1, 1)).flatten() >= 0).numpy()
    threshold = thresholds_by_evaluation(norm, "conv", bound).item()
    np.testing.assert_array_equal(np.arange(-bound, bound + 1) >= threshold, expected)


def test_nan_normalisation_is_named():
    norm = ChannelNorm(2).eval()
    norm.running_mean[1] = float("nan")
    with pytest.raises(BadInput, match="layer conv4"):
        thresholds_by_evaluation(norm, "conv4", 10)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda t: t.__setitem__("conv1.thresholds", t["conv1.thresholds"].float() * float("nan")),
            "not finite",
        ),
        (lambda t: t.__setitem__("conv1.weight", t["conv1.weight"].to(torch.bfloat16)), "bfloat16"),
        (lambda t: t.__setitem__("conv1.alive", t["conv1.alive"].float()), "float32"),
        (lambda t: t.__setitem__("conv99.weight", t["conv1.weight"].clone()), "no part of its network"),
        (lambda t: t.__setitem__("conv1.weight", t["conv1.weight"][:1]), "has shape"),
    ],
)
def test_tensors_of_another_kind_are_refused(change, message, tmp_path):
    published = Path(__file__).parents[2] / "flows/pretrained/digits/checkpoint.safetensors"
    with safe_open(published, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        header = file.metadata()
    change(tensors)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, tmp_path / "bad", header)
    with pytest.raises(BadInput, match=message):
        load_checkpoint(tmp_path / "bad")
