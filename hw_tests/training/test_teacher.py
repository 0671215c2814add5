"""A float teacher is trained, resumed and shared; its lesson enters the loss; SGD takes the usual rates."""

import pytest
import torch
import torch.nn.functional as F

from etb_hw import data, training
from etb_hw.artifacts.run_files import TEACHER_STATE
from etb_hw.config import DataConfig, EvolutionConfig, ModelConfig, TeacherConfig, TrainingConfig
from etb_hw.errors import BadInput
from etb_hw.models import TOPOLOGIES, BinaryNet, FloatTwin
from etb_hw.training.loss import loss_of
from etb_hw.training.optim import evolving_optimizers

MODEL = ModelConfig(widths=(4, 4, 6, 6, 8, 8))
TEACHER = TeacherConfig(epochs=2, width=1.5)
SETTINGS = TrainingConfig(epochs=2, batch=32, lr=0.02, threads=1, evaluate_every=2, teacher=TEACHER)


@pytest.fixture(scope="module")
def digits() -> data.Dataset:
    whole = data.load(DataConfig())
    part = slice(160)
    return data.Dataset(
        whole.train_x[part], whole.train_y[part], whole.test_x[part], whole.test_y[part], whole.classes, "d"
    )


def same(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    left, right = a.state_dict(), b.state_dict()
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_every_topology_has_a_float_twin(name):
    spec = TOPOLOGIES[name]((3, 32, 32), 10, 0.06)
    x = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)
    logits = FloatTwin(spec)(x)
    assert logits.shape == (4, 10)
    logits.square().sum().backward()


def test_without_epochs_there_is_no_teacher(digits):
    assert training.teach(MODEL, TrainingConfig(), digits) is None


def test_a_run_trains_its_own_teacher_or_takes_a_finished_one(digits, tmp_path):
    phases = []
    own = training.train(
        MODEL, SETTINGS, EvolutionConfig(ratio=0.3), digits, tmp_path, lambda p: phases.append(p.phase)
    )
    assert phases[0] == "teacher"
    assert phases[-1] == "binary"
    assert 0 <= own.teacher_accuracy <= 1
    teacher = training.teach(MODEL, SETTINGS, digits, tmp_path, lambda p: pytest.fail("trained again"))
    assert teacher.spec.widths["conv6"] == 12
    given = training.train(MODEL, SETTINGS, EvolutionConfig(ratio=0.3), digits, teacher=teacher)
    assert same(own.hard, given.hard)
    untaught = SETTINGS.model_copy(update={"teacher": TeacherConfig()})
    alone = training.train(MODEL, untaught, EvolutionConfig(ratio=0.3), digits)
    assert alone.teacher_accuracy is None
    assert not same(own.hard, alone.hard)


def test_an_interrupted_teacher_goes_on_identically(digits, tmp_path):
    def interrupt(update: training.Progress) -> None:
        raise KeyboardInterrupt

    through = training.teach(MODEL, SETTINGS.model_copy(update={"teacher": TEACHER}), digits)
    longer = SETTINGS.model_copy(update={"teacher": TEACHER.model_copy(update={"epochs": 4})})
    with pytest.raises(KeyboardInterrupt):
        training.teach(MODEL, longer, digits, tmp_path, interrupt)
    assert same(training.teach(MODEL, longer, digits, tmp_path), training.teach(MODEL, longer, digits))
    assert not same(through, training.teach(MODEL, longer, digits, tmp_path))


def test_one_step_of_nan_is_no_end_of_a_teacher(digits, tmp_path, monkeypatch):
    config, right, count = SETTINGS.model_copy(update={"checkpoint_seconds": 0.0}), F.cross_entropy, 0

    def broken(*arguments, **options):
        nonlocal count
        count += 1
        return right(*arguments, **options) * (float("nan") if count == 4 else 1.0)

    with monkeypatch.context() as patched:
        patched.setattr(F, "cross_entropy", broken)
        with pytest.raises(BadInput, match=r"training\.teacher\.lr: training diverged at step 3"):
            training.teach(MODEL, config, digits, tmp_path)
    assert same(training.teach(MODEL, config, digits, tmp_path), training.teach(MODEL, config, digits))


def test_a_flipped_bit_in_a_teacher_is_noticed_and_trained_again(digits, tmp_path, caplog):
    config = SETTINGS.model_copy(update={"checkpoint_seconds": 0.0})
    whole = training.teach(MODEL, config, digits, tmp_path)
    state = tmp_path / TEACHER_STATE
    content = bytearray(state.read_bytes())
    content[-7] ^= 1
    state.write_bytes(content)
    assert same(training.teach(MODEL, config, digits, tmp_path), whole)
    assert "was changed since it was written" in caplog.text


def test_loss_mixes_labels_and_lesson():
    logits, taught = torch.randn(6, 10, requires_grad=True), torch.randn(6, 10)
    labels = torch.arange(6)
    config = TrainingConfig(teacher=TeacherConfig(epochs=1, share=0.25, temperature=2.0))
    alone = loss_of(logits, labels, None, config)
    assert torch.equal(alone, F.cross_entropy(logits, labels))
    soft = (F.softmax(taught / 2, 1) * (F.log_softmax(taught / 2, 1) - F.log_softmax(logits / 2, 1))).sum(1)
    expected = 0.75 * alone + 0.25 * 4 * soft.mean()
    assert torch.allclose(loss_of(logits, labels, taught, config), expected)


def test_sgd_steps_equal_those_of_kaiming_weights():
    """A step of w = s v by (rate, decay) is the step of v that the optimizer takes."""
    torch.manual_seed(0)
    net = BinaryNet(TOPOLOGIES["tfc"]((1, 8, 8), 10, 0.25))
    config = TrainingConfig(optimizer="sgd", lr=0.1, momentum=0.9, weight_decay=5e-4)
    optimizers = evolving_optimizers(net, config)
    latent = net.layer("fc1").core.weight
    s = (2 / latent[0].numel()) ** 0.5
    w = torch.nn.Parameter(s * latent.detach().clone())
    plain = torch.optim.SGD([w], lr=0.1, momentum=0.9, weight_decay=5e-4)
    for _ in range(3):
        gradient = torch.randn_like(latent)
        latent.grad, w.grad = gradient.clone(), gradient / s  # of one loss, by the chain rule
        optimizers.step(1.0)
        plain.step()
    assert torch.allclose(s * latent, w, atol=1e-5)


def test_sgd_trains(digits):
    settings = TrainingConfig(
        epochs=12, batch=16, optimizer="sgd", lr=0.1, weight_decay=5e-4, threads=1, evaluate_every=12
    )
    result = training.train(ModelConfig(name="tfc"), settings, EvolutionConfig(ratio=0.3), digits)
    assert result.accuracy > 0.7


@pytest.mark.slow
def test_compiled_training_takes_the_same_decisions(digits):
    tiny = ModelConfig(name="tfc", width=0.25)
    settings = SETTINGS.model_copy(update={"teacher": TeacherConfig()})
    evolution = EvolutionConfig(ratio=0.3)
    eager = training.train(tiny, settings, evolution, digits)
    compiled = training.train(tiny, settings.model_copy(update={"compile": True}), evolution, digits)
    assert compiled.hard.spec == eager.hard.spec
    assert all(proof.mismatches == 0 for proof in compiled.proofs)
