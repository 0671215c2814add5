"""The command line: click commands without logic, one file a command."""

from etb_hw.cli.main import main

__all__ = ["main"]
