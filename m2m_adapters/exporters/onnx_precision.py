"""Smaller ONNX files: weights in half precision, or matrices in 8 bits."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from m2m_adapters.errors import UserError

if TYPE_CHECKING:
    from onnx import ModelProto

# name -> (compared by angle, tolerance, what the user should know)
PRECISIONS: dict[str, tuple[bool, float, str]] = {
    "fp32": (False, 1e-4, ""),
    "fp16": (False, 1e-2, "weights are stored in half precision, computed in single"),
    "int8": (True, 5e-2, "matrices in 8 bits; measure retrieval before you rely on it"),
}
SMALL = 256
HALF_MAX = 65504.0


def check_precision(precision: str) -> None:
    if precision not in PRECISIONS:
        raise UserError(
            f"there is no ONNX precision called '{precision}'", f"one of {', '.join(PRECISIONS)}"
        )


def lower(model: ModelProto, precision: str, *, products: bool = True) -> ModelProto:
    """The model with its weights in another precision; inputs and outputs stay float32.

    products: whether int8 also multiplies in 8 bits, which is faster in an encoder. A small map
    gains nothing by it and would lose accuracy.
    """
    if precision == "fp16":
        return _half(model)
    if precision == "int8":
        return _eight_bits(model) if products else _eight_bit_weights(model)
    return model


def _half(model: ModelProto) -> ModelProto:
    """Weights as fp16 constants, each followed by a cast: half the file on every runtime."""
    from onnx import TensorProto, helper, numpy_helper

    graph = model.graph
    casts = []
    for position, tensor in enumerate(list(graph.initializer)):
        if tensor.data_type != TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(tensor)
        if values.size < SMALL or np.abs(values).max() > HALF_MAX:
            continue
        name = tensor.name
        stored = numpy_helper.from_array(values.astype(np.float16), f"{name}.fp16")
        graph.initializer[position].CopyFrom(stored)
        casts.append(helper.make_node("Cast", [stored.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    return model


def _eight_bit_weights(model: ModelProto) -> ModelProto:
    """Matrices ``[in, out]`` as int8 with a scale for each column, followed by their product."""
    from onnx import helper, numpy_helper

    graph = model.graph
    nodes = []
    for tensor in list(graph.initializer):
        values = numpy_helper.to_array(tensor)
        if values.ndim != 2 or values.size < SMALL or values.dtype != np.float32:
            continue
        name = tensor.name
        scale = np.maximum(np.abs(values).max(0) / 127, 1e-12).astype(np.float32)
        whole = np.clip(np.round(values / scale), -127, 127).astype(np.int8)
        zero = np.zeros(scale.shape, np.int8)
        graph.initializer.remove(tensor)
        parts = {f"{name}.int8": whole, f"{name}.scale": scale, f"{name}.zero": zero}
        graph.initializer.extend(numpy_helper.from_array(v, k) for k, v in parts.items())
        nodes.append(helper.make_node("DequantizeLinear", list(parts), [name], axis=1))
    nodes += list(graph.node)
    del graph.node[:]
    graph.node.extend(nodes)
    return model


def _eight_bits(model: ModelProto) -> ModelProto:
    import logging

    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    # Noted shapes of weights are stale once the quantizer has turned a weight.
    del model.graph.value_info[:]
    # The quantizer advises a preprocessing step that changes nothing for these graphs.
    quiet = logging.getLogger()
    level = quiet.level
    quiet.setLevel(logging.ERROR)
    try:
        with tempfile.TemporaryDirectory() as folder:
            before, after = Path(folder) / "a.onnx", Path(folder) / "b.onnx"
            onnx.save(model, str(before), save_as_external_data=True, location="a.data")
            quantize_dynamic(
                before, after, weight_type=QuantType.QInt8, per_channel=True,
                op_types_to_quantize=["MatMul", "Gemm"],
            )  # fmt: skip
            return onnx.load(str(after))
    finally:
        quiet.setLevel(level)
