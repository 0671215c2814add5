"""States that version 0.2.0 wrote: it named a network's tensors after the Brevitas layers they were in."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from etb_hw.models import NetSpec

FORMAT = "etb-hw training state 2"

_NAMES = (
    (r"\.core\.weight_quant\.tensor_quant\.", ".core.quant."),
    (r"\.act\.act_quant\.fused_activation_quant_proxy\.tensor_quant\.", ".act.quant."),
    (r"^((?:layers\.)?classifier)\.(bias|log_scale|unit)", r"\1.logits.\2"),
    (r"\.input_alive$", ".core.pad.alive"),
)


def as_named_now(spec: NetSpec, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of a network or an optimizer under their names of today, without borders that no layer has."""
    found = {}
    for name, value in tensors.items():
        if name.endswith(".input_alive") and not spec.by_name[name.split(".")[1]].padding:
            continue
        for before, now in _NAMES:
            name = re.sub(before, now, name)
        found[name] = value
    return found
