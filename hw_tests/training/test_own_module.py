"""A torch module of the user's in a flow: trained, resumed, narrowed and proved as a topology is."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from click.testing import CliRunner
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

import etb_hw as etb
from etb_hw import data, training
from etb_hw.artifacts.run_files import CHECKPOINT, FINN_MODEL, MODEL, SUMMARY, VERIFICATION
from etb_hw.artifacts.sizes import Count
from etb_hw.artifacts.training import Epoch
from etb_hw.cli import main
from etb_hw.config import DataConfig, EvolutionConfig, Flow, ModelConfig, TeacherConfig, TrainingConfig
from etb_hw.data import Dataset
from etb_hw.errors import BadInput, EtbError, UnsupportedNode
from etb_hw.evolution.allocation import make_limits
from etb_hw.flow import Silent, Step, run_steps
from etb_hw.flow.hardware_cost import training_cost
from etb_hw.flow.publish import publish
from etb_hw.flow.rehearsal import stand_in
from etb_hw.flow.steps import STEPS
from etb_hw.models.layers import Evolving
from etb_hw.pruning.sizes import parameters
from etb_hw.training import load_trained, logits
from etb_hw.training.baselines import compare_methods
from etb_hw.training.trainees import trainee_of
from etb_hw.verification import Proof
from hw_tests.evolution.architectures import ARCHITECTURES
from hw_tests.evolution.user_networks import NETWORKS

STEPS_AN_EPOCH = 5
RECIPE = TrainingConfig(epochs=4, batch=32, lr=0.03, threads=1)
EVOLUTION = EvolutionConfig(ratio=0.4)


def small(shape: tuple[int, ...], classes: int) -> nn.Module:
    """A depthwise layer, a shared ReLU, and a bias without a normalisation behind it, which fades."""
    relu = nn.ReLU()
    pixels = (shape[1] // 2 - 2) * (shape[2] // 2 - 2)
    return nn.Sequential(
        nn.Conv2d(shape[0], 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), relu,
        nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False), nn.BatchNorm2d(8), relu, nn.MaxPool2d(2),
        nn.Conv2d(8, 12, 3), relu, nn.Flatten(), nn.Linear(12 * pixels, classes),
    )  # fmt: skip


@pytest.fixture(scope="module")
def digits() -> Dataset:
    whole = data.load(DataConfig())
    part = slice(32 * STEPS_AN_EPOCH)
    return Dataset(
        whole.train_x[part],
        whole.train_y[part],
        whole.test_x[:60],
        whole.test_y[:60],
        whole.classes,
        "digits",
    )


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> Callable[..., ModelConfig]:
    """The [model] section that names a function."""

    def name(function: Callable[..., object], **config: object) -> ModelConfig:
        module = types.ModuleType("of_a_user")
        vars(module)["net"] = function
        monkeypatch.setitem(sys.modules, "of_a_user", module)
        return ModelConfig.model_validate({"name": "python", "function": "of_a_user:net", **config})

    return name


def state(result: training.TrainResult) -> dict[str, torch.Tensor]:
    return result.trained.net.state_dict()


def same(one: training.TrainResult, other: training.TrainResult) -> bool:
    left, right = state(one), state(other)
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def test_it_ends_slim_binary_and_proved(named, digits: Dataset, tmp_path: Path) -> None:
    model = named(small)
    result = training.train(model, RECIPE, EVOLUTION, digits, tmp_path)
    assert result is not None
    assert [proof.mismatches for proof in result.proofs] == [0, 0, 0, 0]
    assert 0.4 <= result.report.reached < 0.45
    trained = result.trained
    assert parameters(trained.groups) == result.report.parameters.after < result.report.parameters.before
    x = torch.from_numpy(digits.test_x).float()
    weights = [m.quant_weight().value.unique() for m in trained.net.modules() if hasattr(m, "quant_weight")]
    assert len(weights) == 4
    assert all(set(found.abs().tolist()) == {float(found.abs().max())} for found in weights)
    assert result.accuracy == pytest.approx(float((trained.net(x).argmax(1).numpy() == digits.test_y).mean()))
    proof = trained.prove_slim(torch.from_numpy(digits.test_x))
    assert (proof.step, proof.samples, proof.mismatches) == ("slim", 60, 0)
    trained.save(tmp_path / "c.safetensors", {"about": "it"})
    again, notes = load_trained(tmp_path / "c.safetensors", model)
    assert notes["about"] == "it"
    export = ["export", str(tmp_path / "c.safetensors"), "--out", str(tmp_path / "other.onnx")]
    assert "etb-hw export FLOW_FILE" in CliRunner().invoke(main, export).stderr
    MODEL.path(tmp_path).touch()  # as publish leaves it
    assert f"{MODEL.path(tmp_path)} is its QONNX file" in CliRunner().invoke(main, export).stderr
    assert torch.equal(again.net(x), trained.net(x))
    assert again.groups == trained.groups
    assert again.bytes() == result.report.bytes.after


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_stopped_run_goes_on_to_the_same_network(named, digits: Dataset, tmp_path: Path, optimizer) -> None:
    """Stopped while channels fade, where they are cut, and behind it."""
    model, recipe = named(small), RECIPE.model_copy(update={"optimizer": optimizer})
    whole = training.train(model, recipe, EVOLUTION, digits)
    assert whole is not None
    for stop in (7, 9, 10, 13, 15):
        assert training.train(model, recipe, EVOLUTION, digits, tmp_path, stop_after=stop) is None
    resumed = training.train(model, recipe, EVOLUTION, digits, tmp_path)
    assert resumed is not None
    assert same(whole, resumed)


def test_its_teacher_is_itself_in_floats_or_another(named, digits: Dataset) -> None:
    recipe = RECIPE.model_copy(update={"teacher": TeacherConfig(epochs=2)})
    own = training.train(named(small), recipe, EVOLUTION, digits)

    def with_teacher(shape: tuple[int, ...], classes: int) -> etb.Network:
        teacher = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, classes))
        return etb.Network(small(shape, classes), teacher=teacher)

    other = training.train(named(with_teacher), recipe, EVOLUTION, digits)
    assert own is not None
    assert other is not None
    assert own.teacher_accuracy is not None
    assert other.teacher_accuracy is not None
    assert not same(own, other)

    def with_a_wrong_one(shape: tuple[int, ...], classes: int) -> etb.Network:
        return etb.Network(small(shape, classes), teacher=small(shape, classes + 1))

    with pytest.raises(BadInput, match="its teacher"):
        training.train(named(with_a_wrong_one), recipe, EVOLUTION, digits)


def test_rules_come_with_it(named, digits: Dataset) -> None:
    def ruled(shape: tuple[int, ...], classes: int) -> etb.Network:
        return etb.Network(small(shape, classes), rules={"7": etb.Rule(prune=False)})

    result = training.train(named(ruled), RECIPE, EvolutionConfig(ratio=0.3), digits)
    assert result is not None
    widths = dict(result.trained.groups.widths)
    assert sorted(widths.values())[-1] == 12
    assert result.report.reached >= 0.3


def test_it_is_narrowed_for_baselines(named, digits: Dataset, tmp_path: Path) -> None:
    model = named(small)
    dense = trainee_of(model, digits)
    narrow = trainee_of(model.model_copy(update={"widths": (5, 7)}), digits)
    assert [narrow.groups.widths[group] for group in narrow.groups.prunable] == [5, 7]
    assert dense.about() != narrow.about()
    methods = ("dense", "small", "l1", "etb", "etb widths")
    table = compare_methods(model, RECIPE, EVOLUTION, digits, tmp_path, (0,), methods)
    found = {run.method: run for run in table.runs}
    assert found["small"].parameters == pytest.approx(found["etb"].parameters, rel=0.2)
    assert found["etb widths"].parameters == found["etb"].parameters
    assert found["dense"].parameters == parameters(dense.groups)
    for widths in ((5,), (9, 7), (0, 7)):
        with pytest.raises((BadInput, ValueError), match="width"):
            trainee_of(named(small, widths=widths), digits)


def test_a_fresh_network_is_as_wide_and_as_new_as_it_says(named, digits: Dataset, caplog) -> None:
    caplog.set_level("INFO", logger="etb_hw")
    model = named(small)
    for widths in (None, (8, 12), (3, 5)):
        trainee = trainee_of(model.model_copy(update={"widths": widths}), digits)
        caplog.clear()
        torch.manual_seed(0)
        net = trainee.fresh()
        assert ["stays whole" in record.message for record in caplog.records] == [True]  # the classes
        assert trainee.form(net) == {"widths": dict(trainee.groups.widths)}
        layers = [module for module in net.modules() if isinstance(module, Evolving)]
        assert [len(layer.latent) for layer in layers[:3]] == [8, 8, 12] if widths is None else True
        assert {len(layer.latent) for layer in layers[:2]} == {(widths or (8, 12))[0]}
        for layer in layers:
            assert torch.all(layer.quant.threshold == layer.quant.initial)
            assert not layer.quant.offset.any()
            assert layer.quant.alive.all()
        if widths is None:
            deviation, mean = torch.std_mean(layers[0].latent.flatten(1), dim=1, correction=0)
            assert torch.allclose(deviation, torch.ones(8), atol=1e-2)
            assert torch.allclose(mean, torch.zeros(8), atol=1e-5)
        caplog.clear()
        torch.manual_seed(0)
        again = trainee.fresh(trainee.form(net))
        assert not caplog.records  # it was said before
        for name, value in net.state_dict().items():
            assert torch.equal(value, again.state_dict()[name]), name
    with pytest.raises(ValueError, match="groups"):
        trainee_of(model, digits).fresh({"widths": {"other": 3}})


def test_what_it_is_called(named, digits: Dataset) -> None:
    class Mine(nn.Sequential):
        pass

    Taken = type("vgg_small", (nn.Sequential,), {})
    assert trainee_of(named(small), digits).groups.name == "net"  # the function's
    assert trainee_of(named(lambda *given: Mine(small(*given))), digits).groups.name == "Mine"
    with pytest.raises(BadInput, match="one of ours"):
        trainee_of(named(lambda *given: Taken(small(*given))), digits)


def test_its_bytes_are_bits_and_thresholds(named, digits: Dataset) -> None:
    def coarse(shape: tuple[int, ...], classes: int) -> nn.Module:
        return nn.Sequential(
            nn.Flatten(), nn.Linear(64, 8, bias=False), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, classes)
        )

    def finer(shape: tuple[int, ...], classes: int) -> etb.Network:
        return etb.Network(coarse(shape, classes), rules={"3": etb.Rule(activation="uint2")})

    # sums to 64 * 255 have 15 bits with their sign; sums of 8 signs have 5, those of 8 values up to 3 have 6
    wanted = {coarse: (8 * 64 + 8 * 15 + 80 + 10 * 5) / 8, finer: (8 * 64 + 8 * 3 * 15 + 80 + 10 * 6) / 8}
    for function, size in wanted.items():
        trainee = trainee_of(named(function), digits)
        found = trainee.stand_in(trainee.groups.widths, 0.0)
        assert abs(found.bytes() - size) <= 2
        assert found.report("parameters", 0.0, 0.0, None).bytes == Count(found.bytes(), found.bytes())
        assert found.needs_code
        assert logits(found.net, torch.from_numpy(digits.test_x)).shape == (60, 10)


def test_luts_may_be_what_is_counted(named, digits: Dataset) -> None:
    flow = Flow.model_validate(
        {
            "model": named(small).model_dump(),
            "build": {"target_fps": 20000},
            "evolution": {"ratio": 0.2, "count": "luts"},
        }
    )
    cost = training_cost(flow, digits)
    assert cost is not None
    result = training.train(flow.model, RECIPE, flow.evolution, digits, cost=cost)
    assert result is not None
    groups, after = trainee_of(flow.model, digits).groups, result.trained.groups.widths
    assert 1 - cost(after) / cost(groups.widths) == pytest.approx(result.report.reached)
    assert result.report.reached >= 0.2


@pytest.mark.parametrize(
    "ending", [nn.LogSoftmax(1), nn.Softmax(1), nn.Sigmoid(), lambda x: F.log_softmax(x, dim=1)]
)
def test_what_stands_behind_the_logits_is_left_out(
    ending: Callable[[torch.Tensor], torch.Tensor], named, digits: Dataset
) -> None:
    class Ended(nn.Module):
        def __init__(self, body: nn.Module) -> None:
            super().__init__()
            self.body, self.ending = body, ending

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.ending(self.body(x))

    teachers = RECIPE.model_copy(update={"epochs": 2, "teacher": TeacherConfig(epochs=1)})
    found = []
    for function in (lambda shape, classes: Ended(small(shape, classes)), small):
        result = training.train(named(function), teachers, EVOLUTION, digits)
        assert result is not None
        found.append(result.trained)
    assert found[0].dense.name == "Ended"
    x = torch.from_numpy(digits.test_x).float()
    assert torch.equal(found[0].net(x), found[1].net(x))


def normalised(shape: tuple[int, ...], classes: int) -> nn.Module:
    net = small(shape, classes)
    assert isinstance(net, nn.Sequential)
    net[1] = nn.GroupNorm(2, 8)
    return net


def bottleneck(shape: tuple[int, ...], classes: int) -> nn.Module:
    """Its second layer reads normalised sums, with no activation in between."""
    net = small(shape, classes)
    assert isinstance(net, nn.Sequential)
    net[2], net[3] = nn.Identity(), nn.Conv2d(8, 8, 1, bias=False)
    return net


def padded(shape: tuple[int, ...], classes: int) -> nn.Module:
    """The same in front of a border."""
    net = bottleneck(shape, classes)
    assert isinstance(net, nn.Sequential)
    net[3] = nn.Conv2d(8, 8, 3, padding=1, bias=False)
    return net


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (normalised, r"'1' \(GroupNorm\)(.|\n)*BatchNorm"),
        (bottleneck, r"different scales(.|\n)*additions='stream'(.|\n)*etb_hw.Network"),
        (padded, r"maps to zero(.|\n)*additions='stream'"),
    ],
)
def test_what_has_no_hardware_is_told_in_the_modules_words_before_training(
    function: Callable[..., nn.Module], said: str, named, digits: Dataset
) -> None:
    trainee = trainee_of(named(function), digits)
    with pytest.raises(UnsupportedNode, match=said):
        stand_in(trainee, trainee.groups.widths)


def of_other_images(shape: tuple[int, ...], classes: int) -> nn.Module:
    return small((3, *shape[1:]), classes)


def of_two_inputs(shape: tuple[int, ...], classes: int) -> nn.Module:
    return nn.Bilinear(2, 3, classes)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (of_other_images, r"does not run on the data's images, \(1, 8, 8\) (.|\n)*3 channels, but got 1"),
        (of_two_inputs, r"'Bilinear': takes 2 inputs"),
    ],
)
def test_a_module_that_does_not_take_the_data_is_told_so(function, said, named, digits: Dataset) -> None:
    """Not that it runs, but for a trace."""
    with pytest.raises(BadInput, match=f"model.function of_a_user:net(.|\n)*{said}") as caught:
        trainee_of(named(function), digits)
    assert "runs by itself" not in str(caught.value)


KNOWN = {
    **{name: (known.build, known.shape, known.additions) for name, known in ARCHITECTURES.items()},
    **{name: (build, shape, "keep") for name, (build, shape) in NETWORKS.items()},
    "resnet of streams": (*NETWORKS["resnet"], "stream"),
}
NO_CLASSIFIERS = {"U-Net", "U-Net, transposed", "YOLO's grid"}
NOT_BUILT = {"react"}
LARGE = {"cnv"}
NOT_FOR_FINN = {"TCN", "ResNet, shortcut A"}  # it has no causal borders, and no channels of zeros


class Flat(nn.Module):
    """A network of signals or features, which a flow's data hold as images of one row or pixel."""

    def __init__(self, net: nn.Module, axes: int) -> None:
        super().__init__()
        self.net, self.axes = net, axes

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x.flatten(self.axes))


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in LARGE else ()) for name in KNOWN]
)
def test_networks_of_others_go_through_the_whole_flow(named, monkeypatch, tmp_path: Path, name: str) -> None:
    build, shape, additions = KNOWN[name]

    def network(_: tuple[int, ...], __: int) -> etb.Network:
        return etb.Network(Flat(build(), len(shape)) if len(shape) < 3 else build(), additions=additions)

    with torch.no_grad():
        classes = build().eval()(torch.rand(2, *shape)).shape[1]
    images = shape if len(shape) == 3 else (shape[0], 1, *shape[1:], 1)[:3]
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (80, *images)).astype(np.uint8)
    y = np.resize(np.arange(classes), 80)
    made = Dataset(x[:64], y[:64], x[64:], y[64:], tuple(map(str, range(classes))), "noise")
    monkeypatch.setattr(data, "load", lambda _: made)
    flow = Flow.model_validate(
        {
            "model": named(network).model_dump(),
            "training": {"epochs": 4, "batch": 16, "threads": 1, "lr": 0.03},
            "evolution": {"ratio": 0.3},
            "baseline": {"train": False},
            "build": {"target_fps": 100},
            "verification": {"real": 8, "random": 8},
        }
    )
    if name in NO_CLASSIFIERS:
        with pytest.raises(BadInput, match="a flow trains classifiers"):
            run_steps(flow, tmp_path, STEPS, observer=Silent())
        return
    if name in NOT_BUILT:  # said before anything is trained
        with pytest.raises(UnsupportedNode, match="different scales"):
            run_steps(flow, tmp_path, STEPS, observer=Silent())
        assert not CHECKPOINT.path(tmp_path).exists()
        return
    run_steps(flow, tmp_path, STEPS, observer=Silent())
    proofs = VERIFICATION.need(tmp_path)
    assert len(proofs) >= 12
    assert not any(proof.mismatches for proof in proofs)
    assert SUMMARY.need(tmp_path).accuracy_integer == SUMMARY.need(tmp_path).accuracy_torch
    assert FINN_MODEL.path(tmp_path).exists() == (name not in NOT_FOR_FINN)
    publish(tmp_path, tmp_path / "published", "it")
    assert MODEL.path(tmp_path / "published").exists()  # nobody else has the code that the checkpoint needs
    card = (tmp_path / "published/README.md").read_text()
    assert "etb-hw export" not in card
    assert "of_a_user:net" in card


MODULE = """
from torch import nn

def net(shape, classes):
    return nn.Sequential(
        nn.Conv2d(shape[0], 6, 3, bias=False), nn.BatchNorm2d(6), nn.ReLU(),
        nn.Flatten(), nn.Linear(216, classes),
    )
"""


def test_a_flow_trains_again_what_changed(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "a_module_of_a_user.py"
    file.write_text(MODULE)
    flow = Flow.model_validate(
        {
            "data": {"train_limit": 200, "test_limit": 50},
            "model": {"name": "python", "function": "a_module_of_a_user:net"},
            "training": {"epochs": 2, "threads": 1},
            "evolution": {"ratio": 0.2},
        }
    )

    class Seen(Silent):
        kept = False

        def finished(self, step: Step, seconds: float, proofs: tuple[Proof, ...], resumed: bool) -> None:
            self.kept = resumed

    def run() -> bool:
        seen = Seen()
        run_steps(flow, tmp_path / "run", STEPS, until="train", observer=seen)
        return seen.kept

    assert not run()
    assert run()
    file.write_text(MODULE.replace("6, 3", "6, 5").replace("216", "96"))
    monkeypatch.delitem(sys.modules, "a_module_of_a_user")
    with pytest.raises(BadInput, match=r"does not fit(.|\n)*train again"):
        load_trained(CHECKPOINT.path(tmp_path / "run"), flow.model)
    assert not run()
    assert load_trained(CHECKPOINT.path(tmp_path / "run"), flow.model)


def of_wrong_classes(shape: tuple[int, ...], classes: int) -> nn.Module:
    return small(shape, classes + 1)


def of_a_wrong_shape(shape: tuple[int, ...], classes: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, classes))


def decided_by_values(shape: tuple[int, ...], classes: int) -> nn.Module:
    class Decides(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(64, classes)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(x.flatten(1)) if x.sum() > 0 else self.fc(-x.flatten(1))

    return Decides()


def prepared_already(shape: tuple[int, ...], classes: int) -> nn.Module:
    return etb.prepare(small(shape, classes), torch.zeros(2, *shape))


def test_sums_that_training_would_round_are_refused(named, digits: Dataset) -> None:
    """Up to 2**23 a float32 holds every half, where thresholds lie; later layers sum signs."""

    def whole(shape: tuple[int, ...], classes: int) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(1, 16, shape[1:], bias=False), nn.BatchNorm2d(16), nn.ReLU(), nn.Flatten(),
            nn.Linear(16, 2000, bias=False), nn.BatchNorm1d(2000), nn.ReLU(), nn.Linear(2000, classes),
        )  # fmt: skip

    wide = {name: getattr(digits, name).astype(np.uint16) for name in ("train_x", "test_x")}
    assert trainee_of(named(whole), replace(digits, **wide))
    larger = {name: images.repeat(3, 2) for name, images in wide.items()}
    with pytest.raises(BadInput, match=r"layer 0: sums up inputs of UINT16 to 12,582,720"):
        trainee_of(named(whole), replace(digits, **larger))


@pytest.mark.parametrize(
    ("function", "config", "words"),
    [
        (lambda shape, classes: 7, {}, "gives a int"),
        (lambda shape, classes: etb.Network("net"), {}, "gives a str"),  # type: ignore[arg-type]
        (lambda shape: small(shape, 10), {}, "TypeError"),
        (of_wrong_classes, {}, "(2, 11)"),
        (of_a_wrong_shape, {}, "64"),
        (decided_by_values, {}, "decides"),
        (prepared_already, {}, "prepared already"),
        (small, {"width": 0.5}, "model.width"),
        (small, {"activation": "uint2"}, "model.activation"),
        (lambda shape, classes: nn.Sequential(nn.Flatten()), {}, "of_a_user:net"),
    ],
)
def test_what_cannot_be_trained_is_named(named, digits: Dataset, function, config, words: str) -> None:
    with pytest.raises(EtbError) as caught:
        trainee_of(named(function, **config), digits)
    assert words in str(caught.value)
    assert "model." in str(caught.value)


def test_a_function_that_gives_another_network_each_time_is_refused(named, digits: Dataset) -> None:
    calls: list[int] = []

    def moody(shape: tuple[int, ...], classes: int) -> nn.Module:
        calls.append(1)
        hidden = 8 + len(calls)
        return nn.Sequential(
            nn.Flatten(), nn.Linear(64, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, classes)
        )

    with pytest.raises(BadInput, match="another network each time"):
        training.train(named(moody), RECIPE, EVOLUTION, digits)


def test_groups_that_stay_whole_are_named(named, digits: Dataset) -> None:
    def held(shape: tuple[int, ...], classes: int) -> etb.Network:
        return etb.Network(small(shape, classes), rules={"*": etb.Rule(prune=False)})

    with pytest.raises(BadInput, match="no group of channels may be cut"):
        training.train(named(held), RECIPE, EVOLUTION, digits)

    def partly(shape: tuple[int, ...], classes: int) -> etb.Network:
        return etb.Network(small(shape, classes), rules={"7": etb.Rule(prune=False)})

    groups = trainee_of(named(partly), digits).groups
    with pytest.raises(EtbError, match="these groups stay whole: 7"):
        make_limits(groups, EvolutionConfig(ratio=0.9), lambda widths: parameters(groups, widths))


def test_a_checkpoint_runs_no_code_of_its_own(named, digits: Dataset, tmp_path: Path) -> None:
    """What is run is what the flow file names; a file of a stranger holds numbers."""
    model = named(small)
    result = training.train(model, RECIPE, EVOLUTION, digits)
    assert result is not None
    path = tmp_path / "c.safetensors"
    result.trained.save(path, {})
    with pytest.raises(BadInput, match=r"model\.function"):
        load_trained(path, ModelConfig())
    content = path.read_bytes()
    assert b"of_a_user" not in content
    tensors = load_file(path)
    with safe_open(path, framework="pt") as file:
        header = file.metadata()
    save_file(tensors, path)  # without its header
    with pytest.raises(BadInput, match="checkpoint"):
        load_trained(path, model)
    weight = next(name for name in tensors if name.endswith(".weight"))
    save_file({**tensors, weight: torch.full_like(tensors[weight], torch.nan)}, path, header)
    with pytest.raises(BadInput, match="not finite"):
        load_trained(path, model)
    for damage in (b"", content[:200], content.replace(b'"widths', b'"w1dths'), content[:-4]):
        path.write_bytes(damage)
        with pytest.raises(BadInput):
            load_trained(path, model)


def test_epochs_tell_its_groups(named, digits: Dataset) -> None:
    rows: list[Epoch] = []
    result = training.train(
        named(small), RECIPE, EVOLUTION, digits, on_epoch=lambda row, net: rows.append(row)
    )
    assert result is not None
    assert len(rows) == 4
    assert set(rows[-1].widths) == set(result.trained.groups.prunable)
    assert logits(result.trained.net, torch.from_numpy(digits.test_x)).shape == (60, 10)
