"""``etb-hw init``: a flow file to start from."""

from __future__ import annotations

from pathlib import Path

import click

from etb_hw.cli.options import force_option


@click.command("init")
@click.argument("name", required=False)
@click.option("--out", type=click.Path(path_type=Path), help="Default: NAME.toml in this folder.")
@force_option
def command(name: str | None, out: Path | None, force: bool) -> None:
    """Write the flow file NAME of the package, to be changed; without NAME, list them.

    ``etb-hw run NAME`` runs it as it is.
    """
    from etb_hw.errors import BadInput
    from etb_hw.files import write_text
    from etb_hw.flow_files import need, shipped, summary

    if name is None:
        for known, path in shipped().items():
            click.echo(f"{known:<28}{summary(path)}")
        return
    text = need(name).read_text(encoding="utf-8")
    out = out or Path(f"{name}.toml")
    if out.exists() and not force and out.read_bytes() != text.encode():
        raise BadInput(str(out), "is there already", "give another --out, or --force to replace it")
    write_text(out, text)
    click.echo(f"{out}: change it, then etb-hw run {out}")
