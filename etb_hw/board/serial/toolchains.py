"""The families that open tools place, by the ``kind`` of their boards."""

from __future__ import annotations

from collections.abc import Mapping

from etb_hw.board.serial.ecp5 import ECP5
from etb_hw.board.serial.gowin import GOWIN
from etb_hw.board.serial.toolchain import Toolchain

TOOLCHAINS: Mapping[str, Toolchain] = {"ecp5": ECP5, "gowin": GOWIN}
