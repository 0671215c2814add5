# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 3. Map and estimate
#
# The integer graph says *what* is computed; the dataflow graph says *how it is built*: one hardware block
# a layer, streams between them, and for each block how much of it works in parallel.

# %% tags=["parameters"]
epochs = 40
run_dir = "runs/notebooks"

# %%
from pathlib import Path

import matplotlib.pyplot as plt

from etb_hw import qonnx_io
from etb_hw.config import BuildConfig, EvolutionConfig, Flow, ModelConfig, TrainingConfig
from etb_hw.dataflow import Target
from etb_hw.flow import run_steps
from etb_hw.flow.steps import STEPS

flow = Flow(
    model=ModelConfig(name="vgg_small", width=0.125),
    training=TrainingConfig(epochs=epochs, lr=0.03, threads=1, evaluate_every=2),
    evolution=EvolutionConfig(ratio=0.4, multiple=2),
    build=BuildConfig(target_fps=20_000),
)
run_dir = Path(run_dir)
proofs = run_steps(flow, run_dir, STEPS, until="build")  # resumes after what notebooks 1 and 2 did
graph = qonnx_io.import_model(run_dir / "streamlined.onnx")

# %% [markdown]
# ## Unfolded and folded
#
# `lower` gives the smallest and slowest design: one multiplication a cycle in every block.

# %%
from etb_hw.dataflow import find_device, finn, fold, lower
from etb_hw.report.design_table import design_table

smallest = lower(graph)
print(
    f"{smallest.fps:,.0f} frames/s, {smallest.resources.lut:,.0f} LUT; limited by {smallest.bottleneck.name}"
)

# %% [markdown]
# `fold` chooses PE and SIMD of all blocks for a frame rate, with least resources, and says whether that is
# proved best.

# %%
folding = fold(smallest, Target(fps=20_000))
print("proved optimal" if folding.optimal else f"within {folding.objective / folding.bound:.3f} of the best")
design_table(folding.graph)

# %% [markdown]
# ## What a frame rate costs
#
# The same network, from slow and small to fast and large. Doubling the rate does not double the logic,
# because control and buffers stay.

# %%
targets = [2_000, 5_000, 10_000, 20_000, 50_000, 100_000]
designs = [fold(smallest, Target(fps=fps)).graph for fps in targets]

fig, axis = plt.subplots(figsize=(7, 3.2))
axis.plot([d.fps for d in designs], [d.resources.lut for d in designs], "o-", color="#2457c5")
axis.set_xscale("log")
axis.set_xlabel("frames a second, at 100 MHz")
axis.set_ylabel("estimated LUT")
axis.grid(alpha=0.3)
plt.show()

# %% [markdown]
# ## Filling a board
#
# The other question: how fast can this device be made to go?

# %%
board = fold(smallest, Target(device=find_device("Pynq-Z1"), share=0.5))
found = board.graph
print(
    f"{found.fps:,.0f} frames/s with {found.resources.lut:,.0f} LUT, {found.resources.bram_18k:.0f} BRAM 18k"
)

# %% [markdown]
# ## The pipeline
#
# The flow above wrote `dataflow.onnx` and FINN's reports; this is what the report page makes of them.
# Every block is one row, and the slowest sets the frame rate.

# %%
from etb_hw.report import show

show(run_dir, "pipeline", height=1050)

# %% [markdown]
# `auto_folding_config.json` is the folding in FINN's own form:

# %%
config = finn.folding_config(folding.graph)
dict(list(config.items())[:4])
