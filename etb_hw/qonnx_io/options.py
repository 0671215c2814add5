"""How the integers that the hardware reads map to the numbers that a network's graph expects."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from etb_hw.errors import BadInput
from etb_hw.integer import Chain, DataType

_LARGEST = 10**30  # of both parts of a factor: float32 holds them, and their quotient


@dataclass(frozen=True)
class ImportOptions:
    """Input mapping: the graph's input is ``(u * scale - mean) / std`` of integers u.

    Attributes:
        input_dtype: data type of u; None takes the file's annotation or its first quantizer.
        input_scale: for example 1/255 for networks trained on images in [0, 1].
        mean, std: one number, or one a channel; empty for none.
        bipolar_pads: what a conv's ``pads`` attribute means on a bipolar tensor: 0 as ONNX has it, or -1 as
            FINN computes it; None believes the file's metadata, and ONNX where there is none.
    """

    input_dtype: DataType | None = None
    input_scale: Fraction = Fraction(1)
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    bipolar_pads: Literal[0, -1] | None = None

    @staticmethod
    def parse(
        dtype: str | None = None, scale: str | None = None, mean: str | None = None, std: str | None = None
    ) -> ImportOptions:
        """From command-line text: ``uint8``, ``1/255``, ``0.5,0.5,0.5``. Raises BadInput."""
        return ImportOptions(
            None if dtype is None else DataType.parse(dtype),
            Fraction(1) if scale is None else _number("--input-scale", scale),
            () if mean is None else _numbers("--input-mean", mean),
            () if std is None else _numbers("--input-std", std),
        )

    @property
    def chain(self) -> Chain:
        """The mapping as float32 steps: ``u / 255`` where the scale is 1/255, as torchvision computes it."""
        chain = Chain()
        if self.input_scale.numerator != 1:
            chain = chain.then("mul", float(self.input_scale))
        elif self.input_scale.denominator != 1:
            chain = chain.then("div", self.input_scale.denominator)
        if self.mean:
            chain = chain.then("sub", _squeeze(self.mean))
        if self.std:
            chain = chain.then("div", _squeeze(self.std))
        return chain


def _squeeze(values: tuple[float, ...]) -> float | tuple[float, ...]:
    return values[0] if len(values) == 1 else values


def _number(option: str, text: str) -> Fraction:
    try:
        value = Fraction(text.strip())
    except (ValueError, ZeroDivisionError):
        raise BadInput(option, f"{text!r} is no number", "write 0.5 or 1/255") from None
    if not 0 < abs(value.numerator) < _LARGEST or value.denominator >= _LARGEST:
        raise BadInput(option, f"{text!r} cannot be used as a factor", "write a number such as 1/255")
    return value


def _numbers(option: str, text: str) -> tuple[float, ...]:
    values = []
    for part in text.split(","):
        try:
            values.append(float(Fraction(part.strip())))
        except (ValueError, ZeroDivisionError, OverflowError):
            raise BadInput(option, f"{part!r} is no number", "write 0.5 or 0.49,0.48,0.45") from None
    if option == "--input-std" and not all(values):
        raise BadInput(option, "a standard deviation is zero", "write positive numbers")
    return tuple(values)
