"""The threshold gradients against finite differences on smoothed quantizers."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from etb_hw.quantizers.functions import (
    BinaryActivation,
    BinaryWeight,
    TernaryActivation,
    TernaryWeight,
    signs,
)

EPSILON = 1e-4


def _smooth_weight(v: torch.Tensor, edge: torch.Tensor) -> torch.Tensor:
    """The ternary step with a ramp of unit width in place of its jump."""
    return signs(v) * (v.abs() - edge.view(-1, 1) + 0.5).clamp(0, 1)


@pytest.mark.parametrize("edge", [0.6, 1.0, 2.0])
def test_weight_threshold_gradient_is_the_slope_of_the_smoothed_quantizer(edge):
    torch.manual_seed(0)
    v = torch.randn(3, 200, dtype=torch.float64)
    # keep clear of the ramp's corners, where the difference quotient averages two slopes
    over = v.abs() - edge
    v = v[:, ((over.abs() - 0.5).abs() > 1e-3).all(0)]
    coefficients = torch.randn_like(v)
    edges = torch.full((3,), edge, dtype=torch.float64, requires_grad=True)
    (coefficients * TernaryWeight.apply(v, edges)).sum().backward()
    for channel in range(3):
        step = torch.zeros(3, dtype=torch.float64)
        step[channel] = EPSILON
        high, low = ((coefficients * _smooth_weight(v, edges.detach() + s)).sum() for s in (step, -step))
        assert edges.grad[channel].item() == pytest.approx(((high - low) / (2 * EPSILON)).item(), rel=1e-6)


def test_activation_threshold_gradient_is_the_first_order_change_of_removing_the_channel():
    torch.manual_seed(1)
    y = torch.randn(8, 4, 5, 5, dtype=torch.float64)
    d = torch.full((4,), 0.3, dtype=torch.float64, requires_grad=True)
    mix = torch.randn(4, 3, dtype=torch.float64)

    def loss_of(a: torch.Tensor) -> torch.Tensor:
        return ((a.mean((2, 3)) @ mix) ** 2).sum()

    loss_of(TernaryActivation.apply(y, d, torch.ones(4))).backward()
    a = TernaryActivation.apply(y, d.detach(), torch.ones(4))
    for channel in range(4):
        fade = torch.zeros(1, 4, 1, 1, dtype=torch.float64)
        fade[0, channel] = EPSILON
        change = (loss_of(a * (1 - fade)) - loss_of(a * (1 + fade))) / (2 * EPSILON)
        assert d.grad[channel].item() == pytest.approx(change.item(), rel=1e-6)


def test_values_are_ternary_then_binary_and_zero_counts_as_plus():
    v = torch.tensor([[-2.0, -0.5, -0.0, 0.0, 0.5, 2.0]])
    assert TernaryWeight.apply(v, torch.tensor([1.0])).tolist() == [[-1, 0, 0, 0, 0, 1]]
    assert TernaryWeight.apply(v, torch.tensor([0.0])).tolist() == [[-1, -1, 1, 1, 1, 1]]
    assert BinaryWeight.apply(v).tolist() == [[-1, -1, 1, 1, 1, 1]]
    assert BinaryActivation.apply(v).tolist() == [[-1, -1, 1, 1, 1, 1]]


def test_binary_gradients_equal_the_ternary_ones_with_a_closed_dead_zone():
    torch.manual_seed(2)
    y = (torch.randn(4, 6) * 1.5).requires_grad_()
    upstream = torch.randn(4, 6)
    (ternary,) = torch.autograd.grad(TernaryActivation.apply(y, torch.zeros(6), torch.ones(6)), y, upstream)
    (binary,) = torch.autograd.grad(BinaryActivation.apply(y), y, upstream)
    assert torch.equal(ternary, binary)
    (ternary,) = torch.autograd.grad(TernaryWeight.apply(y, torch.zeros(4)), y, upstream)
    (binary,) = torch.autograd.grad(BinaryWeight.apply(y), y, upstream)
    assert torch.equal(ternary, binary)


def test_fading_channels_send_no_gradient_back():
    y = torch.randn(4, 3, 2, 2, requires_grad=True)
    gain = torch.tensor([1.0, 0.5, 0.0])
    full, faded = (
        torch.autograd.grad(TernaryActivation.apply(y, torch.full((3,), 0.1), g).sum(), y)[0]
        for g in (torch.ones(3), gain)
    )
    torch.testing.assert_close(faded, full * gain.view(1, 3, 1, 1))


class _InPlace(TorchDispatchMode):
    """Notes the operations that change a tensor in place."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if any(argument.alias_info and argument.alias_info.is_write for argument in func._schema.arguments):
            self.found.append(str(func))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("compiling", [False, True])
def test_a_compiler_sees_no_result_that_is_changed_in_place(compiling, monkeypatch):
    """torch 2.11 compiles a Function whose result was changed in place to one without gradients."""
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: compiling)
    y = torch.randn(4, 6)
    with _InPlace() as mode:
        values = (
            TernaryWeight.apply(y, torch.full((4,), 0.5)),
            BinaryWeight.apply(y),
            TernaryActivation.apply(y, torch.full((6,), 0.5), torch.ones(6)),
            BinaryActivation.apply(y),
        )
    assert bool(mode.found) is not compiling  # where nothing compiles they save memory
    assert [v.unique().tolist() for v in values] == [[-1, 0, 1], [-1, 1], [-1, 0, 1], [-1, 1]]
