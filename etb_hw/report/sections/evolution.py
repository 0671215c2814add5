"""Training curves, and how filters turn from ternary to binary or zero."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from markupsafe import Markup

from etb_hw.artifacts.training import Epoch
from etb_hw.report.run import Run
from etb_hw.report.section import Section, figure, side_by_side
from etb_hw.report.svg.lines import Curve, Mark, line_chart, share_chart

INTRO = (
    "Every filter starts ternary: its weights may be -1, 0 or +1. Trainable thresholds then pull each filter "
    "to one side: it becomes binary and stays, or zero and is cut out, together with its output channel."
)
WORDS = {"evolving": "evolving", "binary": "slim, all binary"}


def evolution(run: Run) -> Section:
    """Shares of ternary, binary and zero filters; accuracy and loss; thresholds a layer."""
    key, title = "evolution", "Evolution from ternary to binary or zero"
    if not run.epochs:
        return Section(key, title, INTRO, None, "training writes metrics.jsonl: etb-hw train FLOW.toml")
    marks = _phases(run.epochs)
    loss = _curve(run.epochs, "loss", "c4", lambda e: e.loss)
    pictures = [
        figure(shares_picture(run.epochs), "Share of the filters in each state."),
        figure(
            _accuracy(run, marks),
            "Accuracy on test images, and on training images as they come. Dense: the unpruned network.",
        ),
        figure(
            line_chart("Training loss", [loss], x_label="epoch", low=0.0, marks=marks),
            "Training loss, mean of an epoch.",
        ),
        figure(
            line_chart(
                "Share given up",
                [_curve(run.epochs, "given up", "c3", lambda e: e.pruned)],
                x_label="epoch",
                percent=True,
                low=0.0,
                marks=marks,
            ),
            f"Share of the {run.pruning.count if run.pruning else 'target quantity'} that is given up: "
            "what the ratio controller steers.",
        ),
        *_thresholds(run.epochs, "activations", lambda e: e.activation_thresholds),
        *_thresholds(run.epochs, "weights", lambda e: e.weight_thresholds),
    ]
    return Section(key, title, INTRO, side_by_side(*pictures))


def shares_picture(epochs: Sequence[Epoch]) -> Markup:
    """Shares of binary, ternary and zero filters over the epochs."""
    xs = [e.epoch for e in epochs]
    curves = [
        Curve("binary", xs, [e.shares.binary for e in epochs], "binary"),
        Curve("ternary", xs, [e.shares.ternary for e in epochs], "ternary"),
        Curve("zero", xs, [e.shares.zero for e in epochs], "zero"),
    ]
    return share_chart("Shares of binary, ternary and zero filters", curves, x_label="epoch")


def _accuracy(run: Run, marks: Sequence[Mark]) -> Markup:
    assert run.epochs
    test = _curve(run.epochs, "test", "c1", lambda e: e.accuracy)
    lines = [_curve(run.epochs, "training", "c6", lambda e: e.train_accuracy), test]
    if run.baseline:
        lines.append(_curve(run.baseline, "dense", "baseline", lambda e: e.accuracy))
    low = min(y for curve in lines for y in curve.ys)
    return line_chart(
        "Accuracy", lines, x_label="epoch", percent=True, low=max(0.0, low - 0.02), high=1.0, marks=marks
    )


def _curve(epochs: Sequence[Epoch], name: str, class_: str, value: Callable[[Epoch], float | None]) -> Curve:
    points = [(e.epoch, y) for e in epochs if (y := value(e)) is not None]
    return Curve(name, [x for x, _ in points], [y for _, y in points], class_)


def _thresholds(
    epochs: Sequence[Epoch], kind: str, values: Callable[[Epoch], Mapping[str, float]]
) -> list[Markup]:
    """A picture with a curve a layer, or nothing where no threshold was trained."""
    layers = list(dict.fromkeys(layer for e in epochs for layer in values(e)))
    curves = []
    for i, layer in enumerate(layers):
        points = [(e.epoch, values(e)[layer]) for e in epochs if layer in values(e)]
        curves.append(Curve(layer, [x for x, _ in points], [y for _, y in points], f"c{i % 8 + 1}"))
    if not curves:
        return []
    chart = line_chart(f"Thresholds of the {kind}", curves, x_label="epoch", low=0.0)
    return [figure(chart, f"Mean trainable threshold of the {kind}, a layer, until it is hardened.")]


def _phases(epochs: Sequence[Epoch]) -> list[Mark]:
    """A mark where training changes what it does."""
    return [
        Mark(before.epoch, WORDS.get(now.phase, now.phase))
        for before, now in pairwise(epochs)
        if now.phase != before.phase
    ]
