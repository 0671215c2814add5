"""ETB for any network: a user's own torch module, loop and data.

- ``prepare(model, example_input, rules) -> Module``: evolving layers in place of the model's own.
- ``Evolution(model, target, count, steps=...)``: ``step()`` after every optimizer step, ``slim()`` between.
- ``slim(model) -> Module``: plain Brevitas layers, bit-identical, checked.
- ``Rule``: how a layer is treated. ``groups(model)``: the groups in words.

Imports nothing of flows; a flow's own training asks the same controller.
"""

from etb_hw.evolution.evolve import Evolution
from etb_hw.evolution.plan import Plan
from etb_hw.evolution.prepare import groups, prepare
from etb_hw.evolution.rules import Rule, Rules
from etb_hw.evolution.slim import slim

__all__ = ["Evolution", "Plan", "Rule", "Rules", "groups", "prepare", "slim"]
