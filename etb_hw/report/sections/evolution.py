"""Training curves, and how filters turn from ternary to binary or zero."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise

from markupsafe import Markup

from etb_hw.artifacts.training import Epoch
from etb_hw.report.run import Run
from etb_hw.report.section import Section, at_both_widths, figure, side_by_side
from etb_hw.report.svg.element import NARROW
from etb_hw.report.svg.lines import Curve, Mark, line_chart, share_chart

INTRO = (
    "Every filter starts ternary: its weights may be -1, 0 or +1. It becomes binary and stays, or zero and "
    "is cut out, together with its output channel. The gradients of trainable thresholds rank the filters, "
    "and a schedule moves them."
)
WIDE = 520.0
KINDS: Mapping[str, Callable[[Epoch], Mapping[str, float]]] = {
    "activations": lambda e: e.activation_thresholds,
    "weights": lambda e: e.weight_thresholds,
}
WORDS = {"evolving": "evolving", "binary": "slim, all binary"}


def evolution(run: Run) -> Section:
    """Shares of ternary, binary and zero filters; accuracy and loss; thresholds a layer."""
    key, title = "evolution", "Evolution from ternary to binary or zero"
    if not run.epochs:
        return Section(key, title, INTRO, None, "training writes metrics.jsonl: etb-hw train FLOW.toml")
    epochs, marks = run.epochs, _phases(run.epochs)
    loss = _curve(epochs, "loss", "c4", lambda e: e.loss)
    given_up = _curve(epochs, "given up", "c3", lambda e: e.pruned)
    zeros = _curve(epochs, "zero weights", "c5", lambda e: e.zero_weights)
    counted = run.pruning.count if run.pruning else "target quantity"
    # two columns: the thresholds stand under the shares of the filters that they move, over the same epochs
    pictures = [
        _figure(lambda width: shares_picture(epochs, width), "Share of the filters in each state."),
        _figure(
            lambda width: _accuracy(run, marks, width),
            "Accuracy on test images, and on training images as they come. Dense: the unpruned network. "
            "The axis is for the later epochs; the first may lie below it.",
        ),
        *(
            _figure(
                partial(thresholds_picture, epochs, kind),
                f"Mean trainable threshold of the {kind}, a layer, until it is hardened; its peak beside it.",
            )
            for kind in KINDS
            if _threshold_curves(epochs, kind)
        ),
        _figure(
            lambda width: line_chart(
                "Share given up, and zeros in what stays",
                [given_up, zeros],
                x_label="epoch",
                percent=True,
                low=0.0,
                marks=marks,
                width=width,
            ),
            f"Share of the {counted} that is given up: what the ratio controller steers; and the share of "
            "the weights of filters that stay which are still zero.",
        ),
        _figure(
            lambda width: line_chart(
                "Training loss", [loss], x_label="epoch", low=0.0, marks=marks, width=width
            ),
            "Training loss (cross entropy), mean of an epoch.",
        ),
    ]
    return Section(key, title, INTRO, side_by_side(*pictures))


def _figure(draw: Callable[[float], Markup], caption: str) -> Markup:
    return figure(at_both_widths(lambda narrow: draw(NARROW if narrow else WIDE)), caption)


def shares_picture(epochs: Sequence[Epoch], width: float = WIDE) -> Markup:
    """Shares of binary, ternary and zero filters over the epochs."""
    xs = [e.epoch for e in epochs]
    curves = [
        Curve("binary", xs, [e.shares.binary for e in epochs], "binary"),
        Curve("ternary", xs, [e.shares.ternary for e in epochs], "ternary"),
        Curve("zero", xs, [e.shares.zero for e in epochs], "zero"),
    ]
    return share_chart("Shares of binary, ternary and zero filters", curves, x_label="epoch", width=width)


def _accuracy(run: Run, marks: Sequence[Mark], width: float) -> Markup:
    assert run.epochs
    test = _curve(run.epochs, "test", "c1", lambda e: e.accuracy)
    lines = [_curve(run.epochs, "training", "c6", lambda e: e.train_accuracy), test]
    if run.baseline:
        lines.append(_curve(run.baseline, "dense", "baseline", lambda e: e.accuracy))
    low, high = accuracy_range(lines)
    return line_chart(
        "Accuracy", lines, x_label="epoch", percent=True, low=low, high=high, marks=marks, width=width
    )


def accuracy_range(lines: Sequence[Curve]) -> tuple[float, float]:
    """An axis that gives its height to the later epochs; the climb of the first fifth may leave it."""
    last = max(x for curve in lines for x in curve.xs)
    late = [y for curve in lines for x, y in zip(curve.xs, curve.ys, strict=True) if x >= 0.2 * last]
    room = 0.1 * (max(late) - min(late)) + 0.005
    return max(0.0, min(late) - room), min(1.0, max(late) + room)


def _curve(epochs: Sequence[Epoch], name: str, class_: str, value: Callable[[Epoch], float | None]) -> Curve:
    points = [(e.epoch, y) for e in epochs if (y := value(e)) is not None]
    return Curve(name, [x for x, _ in points], [y for _, y in points], class_)


def thresholds_picture(epochs: Sequence[Epoch], kind: str, width: float = WIDE) -> Markup:
    """A curve a layer, over all epochs: of ``KINDS``."""
    span = (float(epochs[0].epoch), float(epochs[-1].epoch))
    curves = _threshold_curves(epochs, kind)
    title = f"Thresholds of the {kind}"
    return line_chart(title, curves, x_label="epoch", low=0.0, x_range=span, width=width)


def _threshold_curves(epochs: Sequence[Epoch], kind: str) -> list[Curve]:
    values = KINDS[kind]
    layers = list(dict.fromkeys(layer for e in epochs for layer in values(e)))
    curves = []
    for i, layer in enumerate(layers):
        points = [(e.epoch, values(e)[layer]) for e in epochs if layer in values(e)]
        curves.append(
            Curve(layer, [x for x, _ in points], [y for _, y in points], f"c{i % 8 + 1}", peak=True)
        )
    return curves


def _phases(epochs: Sequence[Epoch]) -> list[Mark]:
    """A mark where training changes what it does."""
    return [
        Mark(before.epoch, WORDS.get(now.phase, now.phase))
        for before, now in pairwise(epochs)
        if now.phase != before.phase
    ]
