"""``etb-hw init``: a flow file to start from."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from etb_hw.cli.complete import Known, flows
from etb_hw.cli.options import force_option
from etb_hw.cli.output import Output, output_options


@click.command("init")
@click.argument("name", required=False, type=Known("name", flows))
@click.option("--out", type=click.Path(path_type=Path), help="Default: NAME.toml in this folder.")
@force_option
@output_options
def command(name: str | None, out: Path | None, force: bool, output: Output) -> None:
    """Write the flow file NAME of the package, to be changed; without NAME, list them.

    ``etb-hw run NAME`` runs it as it is.
    """
    from etb_hw.errors import BadInput
    from etb_hw.files import write_text
    from etb_hw.flow_files import need, shipped, summary

    if name is None:
        found = {known: summary(path) for known, path in shipped().items()}
        output.say(*(f"{known:<28}{purpose}" for known, purpose in found.items()))
        output.document(found)
        return
    text = need(name).read_text(encoding="utf-8")
    out = out or Path(f"{name}.toml")
    if out.exists() and not force and out.read_bytes() != text.encode():
        raise BadInput(str(out), "is there already", "give another --out, or --force to replace it")
    write_text(out, text)
    output.say(f"{out}: change it, then etb-hw run {shlex.quote(str(out))}")
    output.document({"file": str(out)})
