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
# # 1. Train with ETB
#
# ETB means *evolution from ternary to binary*. Weights and activations start with three values, -1, 0 and
# +1. Every filter has trainable thresholds that decide how much of it is zero. Training pulls each filter
# to one side: **binary**, it stays; **zero**, it is cut out. This notebook trains a small network on real
# handwritten digits and looks at what happened.

# %% tags=["parameters"]
epochs = 40
run_dir = "runs/notebooks"

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from etb_hw.config import EvolutionConfig, Flow, ModelConfig, TrainingConfig

flow = Flow(
    model=ModelConfig(name="vgg_small", width=0.125),
    training=TrainingConfig(epochs=epochs, lr=0.03, threads=1, evaluate_every=2),
    evolution=EvolutionConfig(ratio=0.4, multiple=2),
)
run_dir = Path(run_dir)

# %% [markdown]
# ## The data
#
# Pixels are unsigned 8-bit integers, and they stay so all the way to the FPGA: nothing is normalised.

# %%
from etb_hw.data import load

data = load(flow.data)
print(data.source, data.train_x.shape, data.train_x.dtype, "test images:", len(data.test_x))

fig, axes = plt.subplots(1, 10, figsize=(9, 1.2))
for digit, axis in enumerate(axes):
    axis.imshow(data.train_x[data.train_y == digit][0, 0], cmap="gray")
    axis.axis("off")
plt.show()

# %% [markdown]
# ## Training
#
# `etb_hw.flow.run_steps` does the steps of a flow until the one asked for. Run this cell again and it
# resumes: a step whose inputs did not change is not repeated.

# %%
from etb_hw.flow import run_steps
from etb_hw.flow.steps import STEPS

proofs = run_steps(flow, run_dir, STEPS, until="prune")
for proof in proofs:
    print(f"{proof.step} == {proof.against}: {proof.mismatches} of {proof.samples} samples differ")

# %% [markdown]
# ## What happened
#
# The curves come from `metrics.jsonl`, a line an epoch.

# %%
from etb_hw.report import show

show(run_dir, "evolution", height=1050)

# %% [markdown]
# Filters that became zero are gone, with the inputs of the next layer that read them. The logits before
# and after are the same, bit for bit: that is one of the proofs above.

# %%
show(run_dir, "filters", height=720)

# %% [markdown]
# ## What is left
#
# A hardened layer holds weights of one bit and one integer threshold a filter, nothing else.

# %%
from etb_hw.pruning import load_checkpoint

slim, notes = load_checkpoint(run_dir / "checkpoint.safetensors")
first = slim.layer("conv1")
print("values of the weights:", np.unique(first.weight.numpy()))
print("thresholds:", first.thresholds[:, 0].int().tolist())
print(f"accuracy on the test images: {notes['accuracy']:.2%}")

fig, axes = plt.subplots(1, min(12, len(first.weight)), figsize=(9, 1.2))
for kernel, axis in zip(first.weight, axes, strict=False):
    axis.imshow(kernel[0].numpy(), cmap="gray", vmin=-1, vmax=1)
    axis.axis("off")
plt.show()
