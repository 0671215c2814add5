"""Every topology: shapes, sizes, slimming, hardening and deployment, all bit for bit."""

import json

import pytest
import torch

from etb_hw.config import ModelConfig
from etb_hw.errors import BadInput
from etb_hw.evolution.cut import cut
from etb_hw.evolution.net import PreparedNet
from etb_hw.evolution.topologies import prepared
from etb_hw.models import BinaryNet, NetSpec, build, specify
from etb_hw.pruning import deployable, harden, load_checkpoint, report, save_checkpoint
from etb_hw.pruning.hard import canonical_map
from etb_hw.pruning.sizes import macs, parameters, size_bytes

SMALL = {
    "vgg_small": ((3, 16, 16), 0.06),
    "resnet18": ((3, 16, 16), 0.1),
    "cnv": ((3, 32, 32), 0.06),
    "tfc": ((1, 28, 28), 0.25),
    "sfc": ((1, 12, 12), 0.05),
    "lfc": ((1, 12, 12), 0.02),
}


def lively(name: str) -> BinaryNet:
    """A network with settled normalisations whose slopes and shifts are anything."""
    torch.manual_seed(3)
    shape, width = SMALL[name]
    net = build(ModelConfig(name=name, width=width), shape, 10)
    x = torch.randint(0, 256, (32, *shape)).float()
    for _ in range(3):
        net(x)
    for layer in net.layers.values():
        if layer.norm is not None:
            layer.norm.weight.data *= torch.empty_like(layer.norm.weight).uniform_(0.5, 1.5)
            layer.norm.bias.data.normal_(0, 0.5)
    return net.eval()


@pytest.mark.parametrize("name", SMALL)
def test_slim_hard_deployed_and_saved_networks_agree(name, tmp_path):
    net = prepared(lively(name))
    groups, before = PreparedNet(net), net.spec
    x = torch.randint(0, 256, (12, *SMALL[name][0]), generator=torch.Generator().manual_seed(1)).float()
    for i, group in enumerate(before.prunable):
        alive = torch.ones(before.widths[group])
        alive[i % 3 :: 4] = 0
        groups.set_alive(group, alive)
    groups.set_hard()
    masked, keep = net(x), groups.keep()
    cut(groups, keep)
    assert torch.equal(net(x), masked)
    assert net.spec.widths == {**before.widths, **{group: len(kept) for group, kept in keep.items()}}
    hard = harden(net)
    expected = hard(x)
    assert torch.equal(expected, expected.round())
    assert expected.unique().numel() > 5
    assert torch.equal(hard.widened(before, keep)(x), expected)
    assert torch.equal(deployable(hard)(x), expected)
    save_checkpoint(hard, tmp_path / "checkpoint.safetensors")
    assert torch.equal(load_checkpoint(tmp_path / "checkpoint.safetensors")[0](x), expected)
    sizes = report(before, net.spec, "parameters", 0.2, 0.2)
    assert sizes.parameters.after == sum(layer.weight.numel() for layer in hard.layers.values())
    assert sizes.bytes.after == size_bytes(net.spec)
    assert NetSpec.from_json(json.loads(json.dumps(net.spec.to_json()))) == net.spec


def test_published_sizes():
    cifar = (3, 32, 32)
    vgg = specify(ModelConfig(name="vgg_small"), cifar, 10)
    assert parameters(vgg) == 9 * (3 * 128 + 128**2 + 128 * 256 + 256**2 + 256 * 512 + 512**2) + 81920
    assert vgg.geometry(vgg.by_name["classifier"]).fan_in == 8192
    assert 0.55e9 < macs(vgg) < 0.65e9
    cnv = specify(ModelConfig(name="cnv"), cifar, 10)
    assert parameters(cnv) == 1_542_848
    tfc = specify(ModelConfig(name="tfc"), (1, 28, 28), 10)
    assert parameters(tfc) == 784 * 64 + 64 * 64 * 2 + 640
    resnet = specify(ModelConfig(name="resnet18"), cifar, 10)
    assert 11.1e6 < parameters(resnet) < 11.3e6


def test_tied_channels_of_a_residual_stage_go_together():
    spec = specify(ModelConfig(name="resnet18", width=0.1), (3, 16, 16), 10)
    groups = {layer.name: layer.group for layer in spec.layers}
    assert groups["stem"] == groups["stage1_block2_conv2"] == groups["stage2_block1_sign"] == "stage1"
    assert groups["stage2_block1_shortcut"] == groups["stage2_block2_add"] == "stage2"
    assert len(spec.prunable) == 12


def test_bad_models_are_refused():
    with pytest.raises(BadInput, match="vgg_smal"):
        specify(ModelConfig(name="vgg_smal"), (3, 32, 32), 10)
    with pytest.raises(BadInput, match="too small"):
        specify(ModelConfig(name="cnv"), (3, 16, 16), 10)
    with pytest.raises(BadInput, match="6 positive"):
        specify(ModelConfig(widths=(1, 2)), (3, 16, 16), 10)


@pytest.mark.parametrize("bound", [9, 300, 6885, 70000])
def test_canonical_maps_are_exact_and_without_ties(bound):
    torch.manual_seed(bound)
    slope, shift = torch.exp(torch.randn(300) - 2), torch.randn(300) * 50
    exact_slope, exact_shift = canonical_map(slope, shift, bound)
    x = torch.randint(-bound, bound + 1, (2000, 1))
    single = x.float() * exact_slope + exact_shift
    double = x.double() * exact_slope.double() + exact_shift.double()
    assert torch.equal(single.double(), double)
    assert not ((2 * double).round() == 2 * double).any()


@pytest.mark.parametrize(
    ("group", "width"), [("input", None), ("input", 2), ("classes", None), ("classes", 9)]
)
def test_a_description_without_its_ends_is_refused(group: str, width: int | None) -> None:
    values = specify(ModelConfig(name="tfc"), (1, 8, 8), 10).to_json()
    if width is None:
        del values["widths"][group]
    else:
        values["widths"][group] = width
    with pytest.raises(BadInput, match="network description: cannot be read"):
        NetSpec.from_json(values)


def test_a_single_class_is_refused() -> None:
    with pytest.raises(BadInput, match="all images are of one class"):
        specify(ModelConfig(name="tfc"), (1, 28, 28), 1)
