"""Draw the pictures of README and documentation from a run: python docs/make_pictures.py runs/digits"""

from __future__ import annotations

import sys
from pathlib import Path

from etb_hw.files import write_text
from etb_hw.report import pictures

ASSETS = Path(__file__).parent / "assets"

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for name, svg in pictures(Path(sys.argv[1])).items():
        write_text(ASSETS / name, svg)
        print(ASSETS / name)
