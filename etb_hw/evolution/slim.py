"""``slim``: the finished network in stock Brevitas layers, without its dead channels, checked bit for bit."""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping
from typing import Any, cast

import torch
from brevitas.nn import QuantConv1d, QuantConv2d, QuantIdentity, QuantLinear
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from etb_hw.errors import BadInput
from etb_hw.evolution.cut import cut
from etb_hw.evolution.net import PreparedNet, check_floats
from etb_hw.evolution.note import write_slim
from etb_hw.models.layers import (
    ChannelPad,
    Evolving,
    EvolvingAct,
    EvolvingConv1d,
    EvolvingConv2d,
    value_of,
)
from etb_hw.models.modes import in_mode
from etb_hw.models.norm import ChannelNorm
from etb_hw.pruning.deploy import BinaryWeight, deployed_act
from etb_hw.quantizers import signs
from etb_hw.quantizers.functions import per_channel
from etb_hw.verification import Proof, prove

SAMPLES = 16
log = logging.getLogger("etb_hw")


def slim(model: nn.Module, samples: Tensor | None = None) -> nn.Module:
    """The network that an evolution leaves: plain layers, small, in evaluation mode.

    Weights are Brevitas' binary quantizers around -1 and +1, activations its stock quantizers, and batch
    normalisations evaluate in two float32 operations. The model itself is not changed.

    Args:
        model: a prepared network at the end of its evolution; also behind torch.compile or DDP.
        samples: a batch on which old and new outputs are compared; by default random inputs.

    Raises:
        BadInput: the model is not prepared, or still ternary; samples are no tensor.
        ProofFailed: an output would change (never seen).
    """
    return slim_and_proof(model, samples)[0]


def slim_and_proof(model: nn.Module, samples: Tensor | None = None) -> tuple[nn.Module, Proof]:
    """``slim``, and what it proved of its outputs (of the last one, where there are several heads)."""
    original = PreparedNet(model)
    check_floats(original.module)
    if samples is not None and not isinstance(samples, Tensor):
        reason = f"is a {type(samples).__name__}, not a batch"
        raise BadInput("samples", reason, "give one tensor (N, C, ...), or leave it out")
    if not original.hard:
        raise BadInput(
            f"module {type(original.module).__name__!r}", "is still evolving",
            "call evolution.step() after every optimizer step until evolution.done, or evolution.finish(); "
            "give the network that it belongs to, no average and no earlier state",
        )  # fmt: skip
    device = next(original.module.parameters()).device
    net = PreparedNet(copy.deepcopy(original.module).cpu())
    slimmed = _stock(cut(net, net.keep()))
    slimmed.to(device).eval()
    samples = samples if samples is not None else _like(net.note.example)
    return slimmed, _check(original.module, slimmed, samples, device)


@torch.no_grad()
def drawn(original: PreparedNet, widths: Mapping[str, int], spread: float) -> nn.Module:
    """A stand-in for the slim network at these widths a group, to ask what its hardware takes.

    Its thresholds are drawn with this ``spread``, by torch's generator; what it computes means nothing.
    """
    net = PreparedNet(copy.deepcopy(original.module).cpu())
    net.set_hard()
    keep = {group: torch.arange(min(widths[group], net.plan.widths[group])) for group in net.plan.prunable}
    for group, channels in keep.items():
        net.set_alive(group, (torch.arange(net.plan.widths[group]) < len(channels)).float())
    net = cut(net, keep)
    norms = [module for module in net.module.modules() if isinstance(module, ChannelNorm)]
    for norm in norms:
        assert norm.running_mean is not None
        norm.running_mean.normal_(0.0, spread)
    for norm in norms:  # trained slopes are no two alike
        norm.weight.uniform_(0.5, 1.5)
    return _stock(net).eval()


def _stock(net: PreparedNet) -> nn.Module:
    """The module of a hard network, which is changed, with stock layers in the places of evolving ones."""
    slimmed = net.module
    made: dict[nn.Module, nn.Module | None] = {}
    replaced: list[str] = []
    for path, module in list(slimmed.named_modules(remove_duplicate=False)):
        if module not in made:
            made[module] = _plain(module)
        plain = made[module]
        if plain is not None and not any(path.startswith(f"{done}.") for done in replaced):
            slimmed.set_submodule(path, plain)
            replaced.append(path)
    write_slim(slimmed, net.note.example)
    return slimmed


@torch.no_grad()
def _check(model: nn.Module, slimmed: nn.Module, samples: Tensor, device: torch.device) -> Proof:
    """Both give the same bits. Sums of floats depend on the order of additions, so those are made exact."""
    samples = samples.to(device)
    with in_mode(model, training=False), torch.autocast(device.type, enabled=False):
        expected, found = _outputs(model(samples)), _outputs(slimmed(samples))
        if not all(map(torch.equal, expected, found)):
            log.info("some layers sum floats: compared with sums that do not round")
            with _ExactSums():
                expected, found = _outputs(model(samples)), _outputs(slimmed(samples))
    for number, (here, there) in enumerate(zip(found, expected, strict=True)):
        layer = "output" if len(found) == 1 else f"output {number}"
        proof = prove("slim", "the evolved network", here.cpu().numpy(), there.cpu().numpy(), layer)
    return proof


def _outputs(made: Any) -> list[Tensor]:
    """The tensors that a network gives, also where it has several heads."""
    if isinstance(made, Tensor):
        return [made]
    parts = made.values() if isinstance(made, Mapping) else made
    return [tensor for part in parts for tensor in _outputs(part)]


class _ExactSums(TorchFunctionMode):
    """Whatever adds up does so in float64 and rounds once to float32: no order of additions matters."""

    functions = frozenset(
        {"conv1d", "conv2d", "linear", "mean", "sum", "avg_pool1d", "avg_pool2d"}
        | {"adaptive_avg_pool1d", "adaptive_avg_pool2d", "matmul"}
    )

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        weighted = name in ("conv1d", "conv2d", "linear")
        # pools of Brevitas' own tensors give such again
        plain = weighted or (bool(args) and isinstance(args[0], Tensor))
        if name not in self.functions or not plain:
            return func(*args, **kwargs)
        bias, scaled = None, None
        if weighted:  # a bias is added behind the rounding
            if not any(isinstance(value, Tensor) for value in args[:2]):
                scaled = func(*args, **kwargs)
            bias = kwargs.pop("bias", None) if len(args) < 3 else args[2]
            args = (*args[:2], None, *args[3:])
        wide = [_wide(value) for value in args]
        result = func(*wide, **{key: _wide(value) for key, value in kwargs.items()})
        result = result.to(value_of(args[0]).dtype) if isinstance(result, Tensor) else result
        if bias is not None:
            result = result + per_channel(value_of(bias), result, 1 - wide[1].ndim)
        return result if scaled is None or isinstance(scaled, Tensor) else scaled.set(value=result)


def _wide(value: Any) -> Any:
    if hasattr(value, "value"):
        value = value_of(value)
    return value.double() if isinstance(value, Tensor) and value.dtype == torch.float32 else value


def _like(example: Tensor) -> Tensor:
    """Random inputs of the example's kind: its own values, shuffled, behind the example itself."""
    generator = torch.Generator().manual_seed(0)
    values = example.detach().cpu().flatten()
    count = max(1, SAMPLES - len(example))
    shape = (count, *example.shape[1:])
    number = count * values.numel() // len(example)
    drawn = values[torch.randint(values.numel(), (number,), generator=generator)].view(shape)
    return torch.cat([example.detach().cpu()[:SAMPLES], drawn])


@torch.no_grad()
def _plain(module: nn.Module) -> nn.Module | None:
    """The stock form of an evolving module (behind a pad of its own where it has one); None for others."""
    made: Any
    if isinstance(module, Evolving):
        quant = BinaryWeight if module.scale == 1 else BinaryWeight.let(scaling_const=module.scale)
        shift = module.integer_shift()
        common = {"bias": shift is not None, "weight_quant": quant}
        if isinstance(module, EvolvingConv1d | EvolvingConv2d):
            kind = QuantConv1d if isinstance(module, EvolvingConv1d) else QuantConv2d
            made = kind(
                module.in_channels, module.out_channels, module.kernel_size, module.stride, module.padding,
                module.dilation, module.groups, module.padding_mode, **common,
            )  # fmt: skip
        else:
            made = QuantLinear(module.latent.shape[1], module.latent.shape[0], **common)
        made.weight.copy_(signs(module.quant.standardise(module.latent)))
        if shift is not None:
            made.bias.copy_(shift * module.scale)
        return made if module.pad is None else nn.Sequential(_constant_pad(module.pad), made)
    if isinstance(module, EvolvingAct):
        return cast(nn.Module, QuantIdentity(act_quant=deployed_act(module.kind)))
    if isinstance(module, ChannelPad):
        return _constant_pad(module)
    return None


def _constant_pad(pad: ChannelPad) -> nn.Module:
    kind: Any = nn.ConstantPad1d if len(pad.pads) == 2 else nn.ConstantPad2d
    return cast(nn.Module, kind(pad.pads, pad.value))
