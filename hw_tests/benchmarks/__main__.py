"""``make bench``: every benchmark of this folder, one after another (or those whose names are given)."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path


def main(wanted: list[str]) -> None:
    names = sorted(path.stem for path in Path(__file__).parent.glob("bench_*.py"))
    unknown = [name for name in wanted if f"bench_{name}" not in names]
    if unknown:
        sys.exit(f"no benchmark {unknown[0]!r}; known: {', '.join(n.removeprefix('bench_') for n in names)}")
    for name in names:
        if not wanted or name.removeprefix("bench_") in wanted:
            print(f"\n== {name} ==", flush=True)
            importlib.import_module(f"hw_tests.benchmarks.{name}").main()


if __name__ == "__main__":
    main(sys.argv[1:])
