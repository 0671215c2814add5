"""A budget of hardware instead of a ratio: the design fits, little is cut in vain, and runs resume."""

import math
from functools import partial
from pathlib import Path

import pytest

from etb_hw import qonnx_io, training
from etb_hw.config import BuildConfig, EvolutionConfig, Flow, ModelConfig
from etb_hw.dataflow.design import design, target_of
from etb_hw.errors import BadInput, InfeasibleTarget
from etb_hw.evolution.budget import Budget, corrected, first_ratio
from etb_hw.flow.budgets import RESERVE, Takes, training_budget
from etb_hw.flow.hardware_cost import training_cost
from etb_hw.flow.rehearsal import stand_in
from etb_hw.models import specify
from etb_hw.pruning import deployable, load_checkpoint
from etb_hw.pruning.sizes import cost_function, parameters
from etb_hw.qonnx_io.export import exported_model
from etb_hw.training.topology import Topology
from hw_tests.training.test_training_run import MODEL, digits, same_network, settings  # noqa: F401

PUBLISHED = Path(__file__).parents[2] / "flows/pretrained/digits/checkpoint.safetensors"
WHOLE = parameters(specify(MODEL, (1, 8, 8), 10))
BY_LUTS = EvolutionConfig(target_luts=1000)


def in_steps(allowed, step=100):
    """A budget of parameters that, like a folding, come in steps; and what was looked at."""
    looked = []
    spec = specify(MODEL, (1, 8, 8), 10)

    def used(widths):
        looked.append(dict(widths))
        return math.ceil(parameters(spec, {**spec.widths, **widths}) / step) * step / allowed

    return Budget(used, f"{allowed} parameters"), looked


@pytest.mark.parametrize(("share", "criterion"), [(0.9, "gradient"), (0.4, "gradient"), (0.6, "random")])
def test_a_run_ends_within_its_budget_and_cuts_little_more(share, criterion, digits):  # noqa: F811
    budget, looked = in_steps(share * WHOLE)
    evolution = EvolutionConfig(target_luts=1000, criterion=criterion)
    counted = cost_function(specify(MODEL, (1, 8, 8), 10), "macs")  # no multiple of what is budgeted
    result = training.train(MODEL, settings(), evolution, digits, budget=budget, cost=counted)
    found = budget.used(result.hard.spec.widths)
    assert found <= 1
    assert found > 0.85
    assert len(looked) < 30
    assert result.report.budget == budget.words
    assert all(proof.mismatches == 0 for proof in result.proofs)


def test_a_budget_that_is_large_enough_cuts_nothing(digits):  # noqa: F811
    budget, _ = in_steps(2 * WHOLE)
    counted = cost_function(specify(MODEL, (1, 8, 8), 10), "parameters")
    result = training.train(MODEL, settings(epochs=2), BY_LUTS, digits, budget=budget, cost=counted)
    assert result.hard.spec.widths == result.dense.widths


def test_a_stopped_run_goes_on_to_the_same_network(digits, tmp_path):  # noqa: F811
    budget, _ = in_steps(0.6 * WHOLE)
    counted = cost_function(specify(MODEL, (1, 8, 8), 10), "macs")
    known = {"budget": budget, "cost": counted}
    whole = training.train(MODEL, settings(), BY_LUTS, digits, **known)
    for step in (9, 14, 21):
        assert training.train(MODEL, settings(), BY_LUTS, digits, tmp_path, stop_after=step, **known) is None
    assert same_network(whole, training.train(MODEL, settings(), BY_LUTS, digits, tmp_path, **known))


def test_another_budget_begins_anew(digits, tmp_path):  # noqa: F811
    counted = cost_function(specify(MODEL, (1, 8, 8), 10), "parameters")
    for share in (0.8, 0.5):
        budget, _ = in_steps(share * WHOLE)
        result = training.train(MODEL, settings(), BY_LUTS, digits, tmp_path, budget=budget, cost=counted)
        assert budget.used(result.hard.spec.widths) <= 1


def test_a_budget_that_caps_cannot_meet_is_refused_before_training(digits):  # noqa: F811
    budget, _ = in_steps(0.3 * WHOLE)
    counted = cost_function(specify(MODEL, (1, 8, 8), 10), "parameters")
    evolution = EvolutionConfig(target_luts=1000, caps=(0.2,) * 6)
    with pytest.raises(InfeasibleTarget, match=r"narrowest network that the limits allow takes .*% of"):
        training.train(MODEL, settings(), evolution, digits, budget=budget, cost=counted)
    with pytest.raises(BadInput, match="estimate"):
        training.train(MODEL, settings(), BY_LUTS, digits)


def test_the_first_guess_is_near():
    spec = specify(ModelConfig(name="vgg_small", width=0.5), (3, 32, 32), 10)
    counted = cost_function(spec, "parameters")
    for share in (0.9, 0.5, 0.2):
        budget = Budget(lambda widths, share=share: counted(widths) / counted(spec.widths) / share, "")
        assert first_ratio(spec, EvolutionConfig(), counted, budget) == pytest.approx(1 - share, abs=0.02)


def test_looks_correct_the_ratio_along_the_line_of_the_last_two():
    assert corrected({"saved": 0.0, "used": 2.0}, 0.25, 1.5, 0.9) == pytest.approx(0.5)
    assert corrected({"saved": 0.0, "used": 2.0}, 0.25, 1.5, 0.4) == 0.4  # limits
    assert corrected({"saved": 0.0, "used": 2.0}, 0.25, 0.9, 0.9) == 0.25  # it fits: no more is cut
    assert 0.25 < corrected({"saved": 0.2, "used": 1.5}, 0.25, 1.5, 0.9) < 0.3  # nothing won: go on


def test_a_stand_in_takes_what_the_trained_network_takes():
    hard, _ = load_checkpoint(PUBLISHED)
    build = BuildConfig(target_fps=20000)
    module = deployable(hard)
    graph = qonnx_io.import_model(exported_model(module, module.input_shape))
    made, target = design(graph, build), target_of(build)
    luts = target.weights.of(made.graph.cost(target.model))
    made = partial(stand_in, Topology(hard.spec))
    taken = Takes(made, build, luts)(hard.spec.widths) * (1 - RESERVE)
    assert taken == pytest.approx(1, abs=RESERVE)


def test_a_share_of_a_device_means_a_design_that_fits_it():
    spec = specify(ModelConfig(name="tfc", width=0.5), (1, 28, 28), 10)
    small = BuildConfig(target_fps=1e5, device="xc7z010", max_utilization=0.05)
    made = partial(stand_in, Topology(spec))
    found = Takes(made, small)(spec.widths)
    assert found > 1
    roomy = small.model_copy(update={"max_utilization": min(1.0, 0.05 * found * 1.05)})
    assert Takes(made, roomy)(spec.widths) <= 1


def test_flow_files_say_what_is_missing(digits):  # noqa: F811
    def flow(**changes):
        return Flow(model=MODEL, **changes)

    assert training_budget(flow(), digits) is None
    no_rate = flow(evolution=BY_LUTS)
    with pytest.raises(BadInput, match="frame rate"):
        training_cost(no_rate, digits)
    no_device = flow(evolution=EvolutionConfig(target_share=0.5), build=BuildConfig(target_fps=1000))
    with pytest.raises(BadInput, match="device"):
        training_budget(no_device, digits)
