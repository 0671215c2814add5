"""From options of the command line to what the package takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from etb_hw.config import BuildConfig
from etb_hw.errors import BadInput
from etb_hw.qonnx_io import ImportOptions


def import_options(options: Mapping[str, Any]) -> ImportOptions:
    """The options of ``options.input_options`` as the importer takes them. Raises BadInput."""
    return ImportOptions.parse(
        options["input_dtype"], options["input_scale"], options["input_mean"], options["input_std"]
    )


def build_config(options: Mapping[str, Any]) -> BuildConfig:
    """The options of ``options.build_options`` as a [build] table. Raises BadInput."""
    given = {key: options[key] for key in BuildConfig.model_fields if options.get(key) is not None}
    try:
        return BuildConfig.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        option = "--" + str(first["loc"][0]).replace("_", "-").replace("builder", "for")
        raise BadInput(option, first["msg"], "see etb-hw build --help") from None
