"""From a design to a board: what the board needs, the host's program, and the proof of both."""

from etb_hw.board.boards import Board, boards, find_board
from etb_hw.board.contents import Package, Trial, random_trial
from etb_hw.board.package import package

__all__ = ["Board", "Package", "Trial", "boards", "find_board", "package", "random_trial"]
