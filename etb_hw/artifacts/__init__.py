"""The files of a run: their names, what each holds, and the shapes of those that hold JSON.

``run_files`` is the one list of them. Steps declare what they read and write by its entries, the runner
checks them after each step, and the report reads them. Nothing here loads torch.
"""

from etb_hw.artifacts.run_file import Folder, JsonFile, LinesFile, RunFile
from etb_hw.artifacts.run_files import RUN_FILES

__all__ = ["RUN_FILES", "Folder", "JsonFile", "LinesFile", "RunFile"]
