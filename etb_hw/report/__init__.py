"""Pages that show a run: what ETB did to the network, what hardware comes out, and why to believe it."""

from etb_hw.report.beside import beside
from etb_hw.report.comparison import compare
from etb_hw.report.fragment import Fragment, show
from etb_hw.report.pages import render
from etb_hw.report.pictures import pictures

__all__ = ["Fragment", "beside", "compare", "pictures", "render", "show"]
