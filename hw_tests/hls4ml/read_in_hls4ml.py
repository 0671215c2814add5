"""Run in hls4ml's environment: read a QONNX file as its documentation says, predict by its C simulation.

python read_in_hls4ml.py model.onnx --samples samples.npz --out DIR [--io io_stream] [--backend Vivado]

``samples.npz`` holds x (N, C, H, W) or (N, C), bytes. DIR/predictions.npy gets hls4ml's outputs (N, classes).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import hls4ml
import numpy as np
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.channels_last import ConvertToChannelsLastAndClean
from qonnx.transformation.gemm_to_matmul import GemmToMatMul
from qonnx.util.cleanup import cleanup_model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--samples", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--io", default="io_parallel")
    parser.add_argument("--backend", default="Vitis")
    args = parser.parse_args()

    model = cleanup_model(ModelWrapper(args.model))
    model = model.transform(ConvertToChannelsLastAndClean()).transform(GemmToMatMul())
    model = cleanup_model(model)
    config = hls4ml.utils.config.config_from_onnx_model(
        model, granularity="name", backend=args.backend, default_precision="fixed<24,16>"
    )
    config["LayerName"][model.graph.input[0].name]["Precision"]["result"] = "ufixed<8,8>"
    network = hls4ml.converters.convert_from_onnx_model(
        model, output_dir=f"{args.out}/project", io_type=args.io, backend=args.backend, hls_config=config
    )
    network.compile()
    x = np.load(args.samples)["x"]
    predictions = network.predict(np.ascontiguousarray(x, dtype=np.float32))
    np.save(Path(args.out) / "predictions.npy", predictions.reshape(len(x), -1))


if __name__ == "__main__":
    main()
