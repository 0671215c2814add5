"""A compiled training step is one graph, made anew only where the network changes its form."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch._dynamo.testing import CompileCounter

from etb_hw import data
from etb_hw.config import DataConfig, EvolutionConfig, ModelConfig, TeacherConfig, TrainingConfig
from etb_hw.errors import BadInput
from etb_hw.training.compiled import compiled
from etb_hw.training.loop import train
from etb_hw.training.teacher import Lessons, teach

TINY = ModelConfig(widths=(4, 4, 6, 6, 8, 8))
FORMS = 3  # evolving, slim, binary


def few() -> data.Dataset:
    whole = data.load(DataConfig())
    return data.Dataset(
        whole.train_x[:128], whole.train_y[:128], whole.test_x[:32], whole.test_y[:32], whole.classes, "few"
    )


def random_pixels() -> data.Dataset:
    """Of CIFAR's shape."""
    generator = np.random.default_rng(0)
    x, y = generator.integers(0, 256, (128, 3, 32, 32), dtype=np.uint8), generator.integers(0, 10, 128)
    return data.Dataset(x, y, x[:32], y[:32], tuple("0123456789"), "random pixels")


@pytest.mark.parametrize(
    ("model", "dataset"),
    [
        pytest.param(TINY, few, id="vgg_small"),
        pytest.param(ModelConfig(name="resnet18", width=0.0625), few, id="resnet18", marks=pytest.mark.slow),
        pytest.param(ModelConfig(name="cnv", width=0.0625), random_pixels, id="cnv", marks=pytest.mark.slow),
    ],
)
def test_a_run_is_as_many_graphs_as_the_network_has_forms(
    model: ModelConfig, dataset: Callable[[], data.Dataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch._dynamo.reset()
    counter, torchs = CompileCounter(), torch.compile
    # fullgraph: a step that would be cut into several graphs is an error
    monkeypatch.setattr(torch, "compile", lambda net, **_: torchs(net, backend=counter, fullgraph=True))
    training = TrainingConfig(epochs=4, batch=32, threads=1, compile=True)
    result = train(model, training, EvolutionConfig(ratio=0.4), dataset(), tmp_path)
    assert result is not None
    assert result.hard.spec.widths != result.dense.widths
    assert counter.frame_count == FORMS


def test_a_teacher_is_a_graph_while_it_learns_and_another_while_it_teaches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch._dynamo.reset()
    counter, torchs = CompileCounter(), torch.compile
    monkeypatch.setattr(torch, "compile", lambda net, **_: torchs(net, backend=counter, fullgraph=True))
    training = TrainingConfig(
        epochs=4, batch=32, threads=1, compile=True, teacher=TeacherConfig(epochs=1, width=1.5)
    )
    result = train(TINY, training, EvolutionConfig(ratio=0.4), few(), tmp_path)
    assert result is not None
    assert result.teacher_accuracy is not None
    assert counter.frame_count == FORMS + 2


def test_a_compiled_lesson_is_the_teachers_own_word(monkeypatch: pytest.MonkeyPatch) -> None:
    torchs = torch.compile
    monkeypatch.setattr(torch, "compile", lambda net, **_: torchs(net, backend="aot_eager"))
    data_set = few()
    x = torch.from_numpy(data_set.test_x).float()
    training = TrainingConfig(epochs=1, batch=32, threads=1, compile=True, teacher=TeacherConfig(epochs=1))
    teacher = teach(TINY, training, data_set)
    assert teacher is not None
    said = Lessons(teacher, training).of(x)
    assert not said.requires_grad
    assert torch.allclose(said, teacher(x), atol=1e-4)


def without(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that lacks a program."""
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name, *more: None if name == program else which(name, *more))


def test_a_machine_without_a_compiler_says_so_before_it_trains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "no-such-c++")
    with pytest.raises(BadInput, match=r"no-such-c\+\+, which is not installed"):
        train(TINY, TrainingConfig(epochs=1, compile=True), EvolutionConfig(), few(), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("openssl", [True, False])
def test_openssl_is_not_needed(openssl: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """torch asks it for a checksum of the headers that it compiles ahead."""
    if not openssl:
        without("openssl", monkeypatch)
    elif shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    asked: dict[str, object] = {}
    monkeypatch.setattr(torch, "compile", lambda net, **more: asked.update(more) or net)
    compiled(torch.nn.Identity())
    assert asked == ({} if openssl else {"options": {"cpp_cache_precompile_headers": False}})


@pytest.mark.slow
@pytest.mark.parametrize("openssl", [True, False])
def test_a_whole_run_by_torchs_own_compiler(
    openssl: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Minutes of a C++ compiler. Without openssl on the search path there is no way to call it either."""
    if shutil.which("g++") is None:
        pytest.skip("g++ is not installed")
    torch._dynamo.reset()
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "kernels"))
    if not openssl:
        programs = tmp_path / "bin"
        programs.mkdir()
        for name in ("g++", "as", "ld", "ldd", "cat", "uname", "bash", "sh", "env"):
            if (path := shutil.which(name)) is not None:
                (programs / name).symlink_to(path)
        monkeypatch.setenv("PATH", str(programs))
    training = TrainingConfig(epochs=2, batch=32, threads=1, warmup_epochs=0, compile=True)
    result = train(TINY, training, EvolutionConfig(ratio=0.4), few(), tmp_path / "run")
    assert result is not None
    assert all(proof.mismatches == 0 for proof in result.proofs)
