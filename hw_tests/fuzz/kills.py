"""``python -m hw_tests.fuzz.kills``: runs that are killed at random moments must end in the same bits.

Each trial repeats ``etb-hw run`` on one folder and kills it (SIGKILL) after a random time, until one call
gets to its end. Its files must then be those of a run that nobody disturbed, but for the seconds they took,
and no half-written file may lie about.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
from safetensors.numpy import load

from etb_hw.artifacts import RUN_FILES

FLOW = """
[data]
name = "digits"
train_limit = 600
test_limit = 120
[model]
width = 0.0625
[training]
epochs = 20
threads = 1
checkpoint_seconds = 0.05
[training.teacher]
epochs = 5
[evolution]
ratio = 0.3
[build]
target_fps = 20000
[verification]
real = 24
random = 8
"""
SECONDS = {"seconds", "images_per_second", "simulated_images_per_second"}
NOT_COMPARED = {"times.json", "report.html"}  # they hold seconds in text, or nothing else


def content(path: Path) -> Any:
    """What a file holds, but for how long something took."""
    data = path.read_bytes()
    match path.suffix:
        case ".json":
            return untimed(json.loads(data))
        case ".jsonl":
            return [untimed(json.loads(line)) for line in data.splitlines()]
        case ".safetensors":
            return {name: (array.dtype, array.tobytes()) for name, array in load(data).items()}
    return data


def untimed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: untimed(part) for key, part in value.items() if key not in SECONDS}
    return [untimed(part) for part in value] if isinstance(value, list) else value


def command(flow: Path, out: Path) -> list[str]:
    return [sys.executable, "-m", "etb_hw", "run", str(flow), "--out", str(out)]


def killed_until_done(flow: Path, out: Path, draw: random.Random, longest: float) -> int:
    """Run into ``out``, again and again, until a call is not killed; how many were."""
    kills = 0
    while True:
        with subprocess.Popen(
            command(flow, out), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as call:
            try:
                text, _ = call.communicate(timeout=draw.uniform(0.5, longest))
            except subprocess.TimeoutExpired:
                call.kill()
                kills += 1
                continue
        if call.returncode:
            raise SystemExit(f"after {kills} kills: {text}")
        return kills


def differences(whole: Path, cut: Path) -> list[str]:
    """What is not as in the run that nobody disturbed."""
    names = [name for file in RUN_FILES for name in file.files(whole) if name not in NOT_COMPARED]
    other = [name for name in names if content(whole / name) != content(cut / name)]
    return [*other, *(str(path.relative_to(cut)) for path in cut.rglob("*.part"))]


@click.command()
@click.option("--trials", default=4, show_default=True, help="Runs to be killed until they are done.")
@click.option("--random-seed", default=0, show_default=True)
def main(trials: int, random_seed: int) -> None:
    """Kill runs at random moments; exit with 1 if one ends in other bits."""
    draw = random.Random(random_seed)
    with tempfile.TemporaryDirectory() as scratch:
        flow, whole = Path(scratch) / "tiny.toml", Path(scratch) / "whole"
        flow.write_text(FLOW, encoding="utf-8")
        begin = time.monotonic()
        subprocess.run(command(flow, whole), check=True, capture_output=True)
        longest = 0.8 * (time.monotonic() - begin)
        kills = wrong = 0
        for trial in range(trials):
            cut = Path(scratch) / f"cut{trial}"
            kills += killed_until_done(flow, cut, draw, longest)
            found = differences(whole, cut)
            wrong += bool(found)
            click.echo(f"trial {trial + 1}: {kills} kills so far, {', '.join(found) or 'the same bits'}")
    click.echo(f"{kills} kills in {trials} runs: {trials - wrong} ended in the same bits")
    sys.exit(int(wrong > 0))


if __name__ == "__main__":
    main()
