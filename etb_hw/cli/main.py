"""The ``etb-hw`` command: a table of sub-commands, and how errors reach the user."""

from __future__ import annotations

import importlib
import io
import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import click

from etb_hw import __version__
from etb_hw.cli.edge import INTERRUPTED, STOPPED, explain, interruptible, several_processes
from etb_hw.errors import BadInput

# one line a command, loaded on use: importing torch for --help would take seconds
COMMANDS: Mapping[str, str] = {
    "init": "Write a flow file to start from, or list those that come with the package.",
    "run": "Run a flow file: train, prune, export, streamline, build, simulate, report.",
    "train": "Train the network of a flow file.",
    "prune": "Harden and slim the trained network of a flow file.",
    "export": "Write the slim network of a flow file, or of a checkpoint, as QONNX.",
    "streamline": "Turn any QONNX file into the integer graph.",
    "build": "Map any QONNX file to dataflow blocks: folding, resources, FINN's files.",
    "simulate": "Run a model bit-accurately over a data set.",
    "rtl": "Write the SystemVerilog design of a model.",
    "synth": "Synthesise a model's blocks with Yosys and count real resources.",
    "package": "Make a design ready for a board: gateware, bitstream, host program.",
    "weights": "Make another network of the same shape loadable into a package's hardware.",
    "compare": "Set two models side by side at equal frame rate and on an equal device.",
    "baselines": "Compare ETB with dense, small dense, L1-ranked and random pruning.",
    "sweep": "Search over pruning ratios and seeds for the Pareto front.",
    "report": "Write the HTML page of a run, or of several side by side.",
    "publish": "Collect a finished network with its history, flow file and model card.",
    "devices": "List the boards and parts that are known.",
    "doctor": "Check the installation and the optional tools.",
}


TOGETHER = ("run", "train")  # commands that several processes may run together, started by torchrun


class LazyGroup(click.Group):
    """A group that imports a command's module when it is asked for, and shows errors as plain text."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        if cmd_name not in TOGETHER and several_processes():
            raise BadInput(cmd_name, "is no work for several processes", "call it without torchrun")
        command = importlib.import_module(f"etb_hw.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"there is no command {args[0]!r}; known: {', '.join(COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def main(self, args: Sequence[str] | None = None, *rest: Any, **options: Any) -> Any:
        # libraries warn about optional packages of theirs; our own messages are errors or plain text
        warnings.simplefilter("ignore")
        for stream in (sys.stdout, sys.stderr):  # a terminal that has no word for a tick still gets the rest
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")
        try:
            with interruptible():
                return super().main(args, *rest, **{**options, "standalone_mode": False})
        except click.exceptions.Exit as end:
            sys.exit(end.exit_code)
        except click.ClickException as error:
            error.show()
            sys.exit(error.exit_code)
        except click.Abort:
            _complain(STOPPED, INTERRUPTED)
        except BrokenPipeError:
            # whoever read our output has seen enough; what is left must not fail again at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(0)
        except (Exception, KeyboardInterrupt) as error:
            _complain(*explain(error))


def _complain(message: str, code: int) -> None:
    if several_processes():
        from etb_hw.training.distributed import first_to_speak

        if not first_to_speak():
            sys.exit(code)
    click.echo(click.style("error: ", fg="red", bold=True, reset=True) + message, err=True)
    sys.exit(code)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="etb-hw")
def main() -> None:
    """From training a binarized neural network to a proven FPGA dataflow accelerator.

    Start with:  etb-hw run digits
    """
