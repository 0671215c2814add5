"""A topology of the user's, named by a flow file: checked, and then as good as one of ours."""

from __future__ import annotations

import random
import sys
import types
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from etb_hw import data, qonnx_io, training
from etb_hw.config import DataConfig, EvolutionConfig, Flow, ModelConfig, TrainingConfig
from etb_hw.errors import BadInput
from etb_hw.flow import Silent, Step, run_steps
from etb_hw.flow.steps import STEPS
from etb_hw.integer.packed import PackedExecutor
from etb_hw.models import CLASSES, INPUT, BinaryNet, FloatTwin, LayerSpec, NetSpec, specify
from etb_hw.models.layers import set_hard
from etb_hw.pruning import deployable, harden
from etb_hw.training import logits
from etb_hw.verification import Proof
from hw_tests.models.random_topology import random_topology

SHAPE = (1, 8, 8)

MODULE = """
from etb_hw.models import CLASSES, INPUT, LayerSpec, NetSpec

def topology(input_shape, classes):
    layers = (
        LayerSpec("first", "conv", (INPUT,), "first", kernel=3, padding=1, pool=2),
        LayerSpec("hidden", "dense", ("first",), "hidden"),
        LayerSpec("classifier", "classifier", ("hidden",), CLASSES),
    )
    widths = {INPUT: input_shape[0], "first": 6, "hidden": 12, CLASSES: classes}
    return NetSpec("mine", input_shape, classes, layers, widths)
"""


def good() -> NetSpec:
    """A stream, its sign, a sum of two streams, a dense layer."""
    layers = (
        LayerSpec("stem", "conv", (INPUT,), "outer", kernel=3, padding=1, output="stream"),
        LayerSpec("sign1", "sign", ("stem",), "outer"),
        LayerSpec("inner", "conv", ("sign1",), "inner", kernel=3, padding=1),
        LayerSpec("back", "conv", ("inner",), "outer", output="stream"),
        LayerSpec("sum", "add", ("stem", "back"), "outer", output="stream"),
        LayerSpec("sign2", "sign", ("sum",), "outer"),
        LayerSpec("hidden", "dense", ("sign2",), "hidden"),
        LayerSpec("classifier", "classifier", ("hidden",), CLASSES),
    )
    return NetSpec("mine", SHAPE, 4, layers, {INPUT: 1, "outer": 6, "inner": 4, "hidden": 8, CLASSES: 4})


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> Callable[..., ModelConfig]:
    """The [model] section that names a function, or one that gives what is given here."""

    def name(made: object, **config: object) -> ModelConfig:
        module = types.ModuleType("of_a_user")
        vars(module)["topology"] = made if callable(made) else lambda shape, classes: made
        monkeypatch.setitem(sys.modules, "of_a_user", module)
        return ModelConfig.model_validate({"name": "python", "function": "of_a_user:topology", **config})

    return name


@pytest.fixture
def specified(named: Callable[..., ModelConfig]) -> Callable[..., NetSpec]:
    """What a flow file makes of it, for images of SHAPE in four classes."""
    return lambda made, **config: specify(named(made, **config), SHAPE, 4)


def test_a_description_is_taken_and_scaled(specified) -> None:
    assert specified(good()) == good()
    assert dict(specified(good(), width=0.5).widths) == {**good().widths, "outer": 3, "inner": 2, "hidden": 4}
    assert dict(specified(good(), widths=(5, 9, 2)).widths)["inner"] == 9
    assert specified(good(), activation="uint2").by_name["inner"].output == "uint2"
    with pytest.raises(BadInput, match=r"model.widths(.|\n)*give 3 positive"):
        specified(good(), widths=(5, 9))


def changed(layer: str, **values: object) -> NetSpec:
    return replace(
        good(),
        layers=tuple(replace(each, **values) if each.name == layer else each for each in good().layers),
    )


def without(layer: str) -> NetSpec:
    return replace(good(), layers=tuple(each for each in good().layers if each.name != layer))


def of_widths(**widths: float) -> NetSpec:
    return replace(good(), widths=dict(good().widths) | widths)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (None, "gives a NoneType"),
        (lambda shape, classes: 1 / 0, "ZeroDivisionError"),
        (replace(good(), classes=5), "5 classes"),
        (replace(good(), input_shape=(1, 9, 8)), "9, 8"),
        (replace(good(), name="../x"), "is named"),
        (replace(good(), name="cnv"), "one of ours"),
        (replace(good(), layers=()), "classifier"),
        (replace(good(), layers=({"name": "conv"},)), "LayerSpecs"),
        (replace(good(), widths=[1, 2]), "dict of counts"),
        (of_widths(input=3), "widths"),
        (of_widths(inner=0), "'inner' has 0"),
        (of_widths(inner=2.5), "'inner' has 2.5"),
        (of_widths(more=3), "'more'"),
        (changed("inner", name="a.b"), "named so"),
        (changed("inner", name="keys"), "named so"),
        (changed("inner", name="class"), "named so"),
        (changed("inner", name="input"), "named so"),
        (changed("inner", name="sign1"), "twice"),
        (changed("inner", op="convolution"), "op is 'convolution'"),
        (changed("inner", kernel=0), "kernel is 0"),
        (changed("inner", kernel=3.0), "kernel is 3.0"),
        (changed("inner", padding=3), "pads by 3"),
        (changed("inner", kernel=17), "too small"),
        (changed("hidden", kernel=3), "no window"),
        (changed("sum", inputs=("stem",)), "tuple of 2"),
        (changed("inner", inputs="sign1"), "tuple of 1"),
        (changed("inner", inputs=("sum",)), "no layer before it"),
        (changed("inner", inputs=("stem",)), "a stream of sums"),
        (changed("inner", group="nowhere"), "'nowhere' has None"),
        (changed("inner", group=CLASSES), "the classifier's"),
        (changed("inner", output="float"), "no kind of activation"),
        (changed("back", output="bipolar"), "not all of which are streams"),
        (changed("back", stride=2), "adds up"),
        (changed("back", group="inner"), "joins the groups"),
        (changed("sign1", output="stream"), "a sign gives"),
        (changed("sum", output="bipolar"), "a add gives"),
        (changed("sign2", inputs=("stem",)), "nothing reads layer 'sum'"),
        (without("classifier"), "does not end in a classifier"),
    ],
)
def test_what_cannot_be_trained_is_named(specified, made, words) -> None:
    with pytest.raises(BadInput, match=r"of_a_user:topology|model mine, layer") as caught:
        specified(made)
    assert words in str(caught.value)


def test_a_function_without_the_name_and_the_name_without_a_function() -> None:
    with pytest.raises(BadInput, match="python"):
        specify(ModelConfig(function="of_a_user:topology"), SHAPE, 4)
    with pytest.raises(BadInput, match=r"model.function(.|\n)*module:function"):
        specify(ModelConfig(name="python"), SHAPE, 4)


@pytest.mark.parametrize("seed", range(8))
def test_any_description_goes_all_the_way(specified, tmp_path: Path, seed: int) -> None:
    """Random ones: what is accepted has a float twin, and the same bits in torch, as a file and packed."""
    spec = specified(random_topology(random.Random(seed), SHAPE, 4))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = BinaryNet(spec)
        x = torch.randint(0, 256, (6, *SHAPE))
        assert FloatTwin(spec)(x).shape == (6, 4)
        net.train()(x)  # running statistics
        assert net(x).shape == (6, 4)
    set_hard(net)
    hard = harden(net.eval())
    module = deployable(hard)
    qonnx_io.export_model(module, tmp_path / "model.onnx", module.input_shape)
    graph = qonnx_io.import_model(tmp_path / "model.onnx")
    expected = logits(hard, x).numpy().astype(np.int64)
    found = PackedExecutor(graph).run(x.numpy().astype(np.uint8)).reshape(expected.shape)
    assert np.array_equal(found, expected)


def test_a_flow_trains_it_and_trains_again_what_changed(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    name = "a_net_of_a_user"
    file = tmp_path / f"{name}.py"
    file.write_text(MODULE)
    flow = Flow.model_validate(
        {
            "data": {"train_limit": 200, "test_limit": 50},
            "model": {"name": "python", "function": f"{name}:topology"},
            "training": {"epochs": 2, "threads": 1},
            "evolution": {"ratio": 0.2},
        }
    )

    class Seen(Silent):
        """Whether the step was kept from before, and whether training took steps."""

        kept, trained = False, False

        def progress(self, done: int, total: int, fields: dict[str, float], phase: str = "") -> None:
            self.trained = True

        def finished(self, step: Step, seconds: float, proofs: tuple[Proof, ...], resumed: bool) -> None:
            self.kept = resumed

    def run() -> tuple[bool, bool]:
        seen = Seen()
        run_steps(flow, tmp_path / "run", STEPS, until="train", observer=seen)
        return seen.kept, seen.trained

    assert run() == (False, True)
    assert run() == (True, False)
    file.write_text(MODULE + "# other code, the same network\n")
    assert run() == (False, False)  # its finished training is found


def test_a_layer_may_be_left_with_one_input(named) -> None:
    """The weights of a filter are then all alike: standardised, nothing is left of them."""
    layers = (
        LayerSpec("first", "conv", (INPUT,), "first", kernel=3, output="stream"),
        LayerSpec("pooled", "sumpool", ("first",), "first", output="stream"),
        LayerSpec("classifier", "classifier", ("pooled",), CLASSES),
    )
    digits = data.load(DataConfig(train_limit=160, test_limit=20))
    classes = len(digits.classes)
    widths = {INPUT: 1, "first": 2, CLASSES: classes}
    model = named(NetSpec("mine", SHAPE, classes, layers, widths))
    recipe = TrainingConfig(epochs=4, batch=32, threads=1)
    made = training.train(model, recipe, EvolutionConfig(ratio=0.4), digits)
    assert made is not None
    assert made.hard.spec.widths["first"] == 1
    assert all(proof.mismatches == 0 for proof in made.proofs)
