"""``python -m hw_tests.fuzz``: long differential fuzzing; the shrunk failure is printed and saved."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import click
import numpy as np
import onnx
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from hw_tests.fuzz.differential import compare
from hw_tests.fuzz.field import report, try_field
from hw_tests.fuzz.mutations import mutate, survives
from hw_tests.fuzz.net_generator import Net, networks
from hw_tests.fuzz.own_networks import try_all
from hw_tests.fuzz.torch_generator import torch_networks


@click.command()
@click.option(
    "--kind",
    type=click.Choice(["onnx", "torch", "field", "own", "damaged"]),
    default="onnx",
    show_default=True,
)
@click.option("--examples", default=1000, show_default=True, help="networks to try")
@click.option("--layers", default=4, show_default=True, help="most layers of a network")
@click.option("--random-seed", default=0, show_default=True)
@click.option("--memory-gib", default=8, show_default=True, help="limit of the address space")
@click.option("--out", type=click.Path(path_type=Path), default=Path("fuzz_failure"), show_default=True)
def main(kind: str, examples: int, layers: int, random_seed: int, memory_gib: int, out: Path) -> None:
    """Compare qonnx, reference, packed executor (and torch) on random networks, or import damaged ones.

    ``field`` draws networks as users write them and counts what is refused, by reason; ``own`` draws torch
    modules, has them evolve and get slim, and counts how far they come.
    """
    resource.setrlimit(resource.RLIMIT_AS, (memory_gib << 30, memory_gib << 30))
    if kind == "field":
        click.echo(report(try_field(range(random_seed, random_seed + examples))))
        return
    if kind == "own":
        found, wrong = try_all(range(random_seed, random_seed + examples))
        click.echo("\n".join([*(f"{count:5} {became}" for became, count in found.most_common()), *wrong]))
        sys.exit(bool(wrong))
    source = torch_networks() if kind == "torch" else networks(max_layers=layers)
    tried = 0

    @seed(random_seed)
    @settings(
        max_examples=examples,
        deadline=10_000 if kind == "damaged" else None,
        suppress_health_check=list(HealthCheck),
        database=None,
        phases=[Phase.generate, Phase.shrink],
    )
    @given(st.data(), source)
    def check(data: st.DataObject, net: Net) -> None:
        nonlocal tried
        tried += 1
        model = mutate(data.draw, net.model) if kind == "damaged" else net.model
        try:
            if kind == "damaged":
                survives(model, net.options)
            else:
                compare(net)
        except BaseException:
            out.mkdir(exist_ok=True)
            onnx.save(model, str(out / "model.onnx"))
            np.save(out / "samples.npy", net.samples)
            (out / "options.txt").write_text(repr(net.options))
            raise

    try:
        check()
    except AssertionError as failure:
        click.echo(f"{failure}\nthe shrunk network is in {out}/", err=True)
        sys.exit(1)
    click.echo(f"{tried} networks, " + ("no crash" if kind == "damaged" else "no difference"))


if __name__ == "__main__":
    main()
