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
# # 2. Export and streamline
#
# From the trained network to a QONNX file that any tool can open, and from there to the **integer graph**:
# no scales, no BatchNorms, only integers and thresholds. Every step is checked bit for bit.

# %% tags=["parameters"]
epochs = 40
run_dir = "runs/notebooks"

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from etb_hw.config import EvolutionConfig, Flow, ModelConfig, TrainingConfig
from etb_hw.flow import run_steps
from etb_hw.flow.steps import STEPS

flow = Flow(
    model=ModelConfig(name="vgg_small", width=0.125),
    training=TrainingConfig(epochs=epochs, lr=0.03, threads=1, evaluate_every=2),
    evolution=EvolutionConfig(ratio=0.4, multiple=2),
)
run_dir = Path(run_dir)
proofs = run_steps(flow, run_dir, STEPS, until="prune")  # does nothing where notebook 1 has run

# %% [markdown]
# ## QONNX
#
# `deployable` gives a torch module of stock Brevitas layers; `export_model` writes it. The BatchNorms in
# it compute `x - (t - 0.5)` for an integer `t`: exact in float32, and no sum ever lies on the edge.

# %%
from etb_hw import qonnx_io
from etb_hw.pruning import deployable, load_checkpoint

slim, _ = load_checkpoint(run_dir / "checkpoint.safetensors")
module = deployable(slim)
model_file = run_dir / "model.qonnx.onnx"
qonnx_io.export_model(module, model_file, module.input_shape)

# %%
from collections import Counter

import onnx

print(Counter(node.op_type for node in onnx.load(model_file).graph.node))

# %% [markdown]
# qonnx, the reference implementation of these files, gives the same logits as torch:

# %%
import torch

from etb_hw.data import load
from etb_hw.training import logits
from etb_hw.verification import prove

data = load(flow.data)
x = data.test_x[:64]
torch_logits = logits(slim, torch.from_numpy(x)).numpy()
prove("model.qonnx.onnx in qonnx", "torch", qonnx_io.execute(model_file, x), torch_logits)

# %% [markdown]
# ## Streamlining
#
# `import_model` walks the file once. Every tensor is an integer core and the chain of float operations
# seen since; a quantizer turns both into thresholds, found by evaluating the chain itself, rounding
# included.

# %%
graph = qonnx_io.import_model(model_file)
for node in graph.nodes:
    kind = graph.types[node.name]
    print(f"{type(node).__name__:14} {node.name:14} {kind.shape!s:14} {kind.dtype.name}")

# %%
from etb_hw.integer import reference

tensors = {}
result = reference.execute(graph, x, trace=lambda name, tensor: tensors.update({name: tensor}))
prove("integer graph", "torch", graph.dequantize(result), torch_logits)

# %% [markdown]
# ## One threshold, seen from both sides
#
# Left: the sums that the first layer's first channel takes over the images, and its threshold. Right: what
# the comparison leaves.

# %%
from etb_hw.integer import Conv, Threshold

conv = next(node for node in graph.nodes if isinstance(node, Conv))
act = next(node for node in graph.nodes if isinstance(node, Threshold))
sums, bits = tensors[conv.name][:, 0], tensors[act.name][:, 0]

fig, (left, right) = plt.subplots(1, 2, figsize=(9, 2.6), width_ratios=[3, 1])
left.hist(sums.ravel(), bins=60, color="#2457c5")
left.axvline(act.thresholds[0, 0], color="#c2661a", label=f"threshold {act.thresholds[0, 0]}")
left.set_xlabel("sum")
left.legend()
right.imshow(bits[0], cmap="gray")
right.set_title("first image")
right.axis("off")
plt.show()

# %% [markdown]
# `streamlined.onnx` is the integer graph in qonnx's own ops, for Netron and for other tools.

# %%
qonnx_io.write_streamlined(graph, run_dir / "streamlined.onnx")
executed = np.asarray(qonnx_io.execute(run_dir / "streamlined.onnx", x))
prove("streamlined.onnx in qonnx", "torch", executed, torch_logits)
