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
# # 4. Simulate down to RTL
#
# The same integers once more, twice: over the whole test set with the packed simulator, which works on 64
# bits at a time, and cycle by cycle in SystemVerilog.

# %% tags=["parameters"]
epochs = 40
run_dir = "runs/notebooks"

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from etb_hw import qonnx_io
from etb_hw.config import BuildConfig, EvolutionConfig, Flow, ModelConfig, TrainingConfig
from etb_hw.data import load
from etb_hw.flow import run_steps
from etb_hw.flow.steps import STEPS

flow = Flow(
    model=ModelConfig(name="vgg_small", width=0.125),
    training=TrainingConfig(epochs=epochs, lr=0.03, threads=1, evaluate_every=2),
    evolution=EvolutionConfig(ratio=0.4, multiple=2),
    build=BuildConfig(target_fps=20_000),
)
run_dir = Path(run_dir)
proofs = run_steps(flow, run_dir, STEPS, until="build")  # resumes after what the other notebooks did
data = load(flow.data)
graph = qonnx_io.import_model(run_dir / "streamlined.onnx")

# %% [markdown]
# ## The whole test set, packed
#
# Weights and activations are bits, a multiplication is an XNOR and a sum a count of bits. The result is
# that of the plain reference executor, which is written to be obviously right.

# %%
from etb_hw.integer import reference
from etb_hw.integer.packed import PackedExecutor
from etb_hw.verification import prove

packed = PackedExecutor(graph)
result = packed.run(data.test_x)
print(prove("packed", "reference", result, reference.execute(graph, data.test_x)))
print(f"accuracy {np.mean(result.argmax(1) == data.test_y):.2%}")

# %% [markdown]
# ## RTL
#
# `generate` gives the text of a self-contained SystemVerilog design; `simulate` builds it with Verilator
# and streams frames through, here with both sides holding back at random in a third of all cycles. (No
# Verilator? `etb-hw doctor` says how to get it.)

# %%
from etb_hw.dataflow import finn
from etb_hw.rtl import generate, simulate

design = finn.read(run_dir / "dataflow.onnx")
files = generate(design)
sources = {name: text for name, text in files.items() if name.endswith(".sv")}
print(len(files), "files;", sum(text.count("\n") for text in sources.values()), "lines of SystemVerilog")

# %%
frames = data.test_x[:3].transpose(0, 2, 3, 1).astype(np.int64)  # hardware streams are NHWC
calm = simulate(design, frames)
stalled = simulate(design, frames, stalls=0.33)
expected = result[:3].reshape(calm.outputs.shape)
print(prove("RTL", "packed", calm.outputs, expected))
print(prove("RTL with stalls", "packed", stalled.outputs, expected))

# %% [markdown]
# Not only the values agree. The estimate said how many cycles a frame takes, and the simulation counted:

# %%
print("estimated cycles a frame:", design.bottleneck.cycles)
print("measured cycles a frame: ", calm.ii)
print("latency of the first frame:", calm.latency)

# %% [markdown]
# ## An image, and what the hardware answers

# %%
fig, axes = plt.subplots(1, 2, figsize=(7, 2.4))
axes[0].imshow(data.test_x[0, 0], cmap="gray")
axes[0].axis("off")
axes[1].bar(range(10), calm.outputs.reshape(3, -1)[0], color="#0f7b72")
axes[1].set_xticks(range(10))
axes[1].set_title("integer logits out of the RTL")
plt.show()
