"""Numbers on the command line that lie between two others."""

from __future__ import annotations

import math
from typing import Any

import click


class Between(click.FloatRange):
    """click's range, which takes NaN for a number within."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail(f"{value} is no number", param, ctx)
        return number
