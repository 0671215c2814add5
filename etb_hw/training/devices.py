"""Where a run computes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from etb_hw.config import TrainingConfig
from etb_hw.errors import BadInput
from etb_hw.training.compiled import check_compiler


def pick_device(name: str) -> torch.device:
    """``auto`` takes a GPU if there is one. Raises BadInput for ``cuda`` without one."""
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise BadInput("training.device", "no CUDA device was found", "use device = 'auto' or 'cpu'")
    if not available or name == "cpu":
        return torch.device("cpu")
    return torch.device("cuda", torch.cuda.current_device())


def prepare(training: TrainingConfig) -> torch.device:
    """Where ``training`` computes; sets torch's number of threads as it says.

    Raises BadInput where it asks for what this machine has not.
    """
    if training.threads:
        torch.set_num_threads(training.threads)
    device = pick_device(training.device)
    if training.compile:
        check_compiler(device)
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True  # all batches have one size: look once for the fastest
    return device


def halved(x: Tensor, wanted: bool) -> torch.autocast:
    """bfloat16 activations and products in training steps, where ``wanted`` and where that is faster.

    It holds all integers up to 256, and sums farther out lie far beyond any threshold. Its range is that of
    float32, so that no loss needs a scale. Evaluation, hardening and all decisions use float32.
    """
    return torch.autocast(x.device.type, torch.bfloat16, enabled=wanted and (x.is_cuda or _cpu_halves()))


def _cpu_halves() -> bool:
    """Whether this CPU multiplies bfloat16 itself; others are slower with it than without."""
    has: Mapping[str, object] = getattr(torch.cpu, "get_capabilities", dict)()  # not in every torch
    return bool(has.get("avx512_bf16") or has.get("amx_bf16"))


@contextmanager
def exact() -> Iterator[None]:
    """Convolutions on a GPU in full float32: rounded, their sums of integers are exact, as on a CPU."""
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        yield
