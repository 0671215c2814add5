"""Sizes, kernel, stride and pads of Conv and pooling nodes, whichever way the node writes them."""

from __future__ import annotations

from etb_hw.integer.nodes import Pads
from etb_hw.qonnx_io.call import Call
from etb_hw.qonnx_io.value import Value


def image_size(call: Call, value: Value) -> tuple[int, int]:
    """Height and width of an image, with the border that a Pad in front has put around it."""
    _, height, width = call.builder.types[value.core].shape
    top, left, bottom, right = value.pads
    return height + top + bottom, width + left + right


def pair(call: Call, name: str, default: tuple[int, int] = (1, 1)) -> tuple[int, int]:
    """Two numbers; the one of a signal's layer stands for the second axis."""
    values = call.ints(name, default)
    if len(values) == 1:
        values = (1, *values)
    if len(values) != 2 or min(values) < 1:
        call.fail(
            f"{name} {list(values)} is not two positive numbers",
            "only layers over one or two axes are supported",
        )
    return values[0], values[1]


def pads(
    call: Call,
    size: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
) -> Pads:
    """Top, left, bottom, right; resolves auto_pad for an input of ``size`` pixels."""
    auto = call.attr("auto_pad", "NOTSET")
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        before, after = [], []
        for s, k, st, d in zip(size, kernel, stride, dilation, strict=True):
            total = max(0, (-(-s // st) - 1) * st + (k - 1) * d + 1 - s)
            small, large = total // 2, total - total // 2
            before.append(small if auto == "SAME_UPPER" else large)
            after.append(large if auto == "SAME_UPPER" else small)
        return before[0], before[1], after[0], after[1]
    values = call.ints("pads", (0, 0, 0, 0)) if auto != "VALID" else (0, 0, 0, 0)
    if len(values) == 2:
        values = (0, values[0], 0, values[1])
    if len(values) != 4 or min(values) < 0 or max(values) > 1 << 14:
        call.fail(f"pads {list(values)} cannot be used", "use four small, non-negative numbers")
    return values[0], values[1], values[2], values[3]
