"""From a design to a board: the design behind a serial line, the host's program, and the proof of both."""

from etb_hw.board.boards import Board, boards, find_board
from etb_hw.board.package import Package, package

__all__ = ["Board", "Package", "boards", "find_board", "package"]
