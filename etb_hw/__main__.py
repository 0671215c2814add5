"""``python -m etb_hw`` is ``etb-hw``."""

from etb_hw.cli import main

main()
