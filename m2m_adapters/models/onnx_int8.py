"""ONNX models whose large matrices are multiplied in 8 bits, each row with a scale of its own.

onnxruntime's dynamic quantization has one scale for a whole batch, so that a text's vector depends
on the texts beside it, and one outlier costs all rows their resolution. Here every token's row is
divided by its own largest entry, and every column of a matrix by its own: measured on
all-MiniLM-L6-v2, two thirds of the error remain, at nearly the same speed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from m2m_adapters._internal.files import cache_folder, whole_file
from m2m_adapters.errors import UserError

FOLDER = "int8"
"""In the cache folder."""
VERSION = 1
"""Of the graphs; another one is made anew, and has other fingerprints."""
SMALLEST = 1 << 12
"""Entries of a matrix that is worth it."""
LEVELS = 63
"""Weights are whole numbers of at most this size. Processors without VNNI add products of two
in 16 bits, which twice 255 * 127 does not fit in; with 63 every processor gives the same."""
MOST_BYTES = (1 << 31) - (1 << 24)
MIDDLE = 128
TORCH = "leave the backend at torch"
CONTRIB = "com.microsoft"


def int8_session(key: str, build: Callable[[], Any]) -> Any:
    """The onnxruntime session of the int8 model called ``key``, kept in the cache folder.

    build: makes the fp32 ONNX model; called where the cache does not hold the int8 one.
    """
    name = hashlib.sha256(f"{VERSION}:{LEVELS}:{key}".encode()).hexdigest()[:32]
    path = cache_folder() / FOLDER / f"{name}.onnx"
    if not path.is_file():
        model = eight_bits(build())
        if model.ByteSize() > MOST_BYTES:
            raise UserError("the model is too large for one ONNX file, even in 8 bits", TORCH)
        with whole_file(path) as temporary:
            temporary.write_bytes(model.SerializeToString())
    with suppress(OSError):  # `m2m cache prune` deletes what was not used for long
        path.touch()
    return open_session(path)


def kept_models(cache: Path) -> list[Path]:
    """The files of the int8 models that a cache folder holds."""
    return sorted((cache / FOLDER).glob("*.onnx"))


def open_session(path: Path) -> Any:
    """A session on the CPU with as many threads as torch has (``OMP_NUM_THREADS``)."""
    import onnxruntime
    import torch

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        reason = " ".join(str(error).split())[:160]
        raise UserError(
            f"onnxruntime cannot open {path} ({reason})", "delete the file, it is made again"
        ) from error


def eight_bits(model: Any) -> Any:
    """The model with products by constant matrices in 8 bits; inputs and outputs stay float32."""
    from onnx import helper, numpy_helper

    graph = model.graph
    del graph.value_info[:]
    constants = {tensor.name: tensor for tensor in graph.initializer}
    written = _Written()
    for node in graph.node:
        tensor = constants.get(node.input[1]) if node.op_type == "MatMul" else None
        matrix = None if tensor is None else numpy_helper.to_array(tensor)
        if matrix is None or matrix.ndim != 2 or matrix.size < SMALLEST:
            written.nodes.append(node)
        else:
            written.product(node.input[0], matrix, node.output[0])
    used = {name for node in written.nodes for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used] + written.constants
    nodes = list(written.nodes)
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(kept)
    graph.node.extend(nodes)
    if all(opset.domain != CONTRIB for opset in model.opset_import):
        model.opset_import.append(helper.make_opsetid(CONTRIB, 1))
    return model


class _Written:
    """Nodes and constants of the new graph."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._quantized: set[str] = set()
        self._shared = {
            "int8.last": np.array([-1], np.int64),
            "int8.first": np.array([0], np.int64),
            "int8.step": np.array(1 / 127, np.float32),
            "int8.one": np.array(1, np.float32),
            "int8.tiny": np.array(1e-12, np.float32),
            "int8.middle": np.array(MIDDLE, np.uint8),
            "int8.zero": np.array(0, np.int8),
        }

    def node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        from onnx import helper

        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def constant(self, name: str, value: Any) -> str:
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def quantized(self, x: str, width: int) -> None:
        """The rows of ``x`` as uint8 around ``MIDDLE``, with their scales; once for each ``x``."""
        from onnx import TensorProto, helper

        if x in self._quantized:
            return
        if not self._quantized:
            for name, value in self._shared.items():
                self.constant(name, value)
        self._quantized.add(x)
        node = self.node
        rows = node("Reshape", [x, self.constant(f"{x}.as_rows", np.array([-1, width], np.int64))],
                    f"{x}.rows")  # fmt: skip
        node("ReduceMax", [rows, "int8.last"], f"{x}.high", keepdims=1)
        node("ReduceMin", [rows, "int8.last"], f"{x}.low", keepdims=1)
        node("Neg", [f"{x}.low"], f"{x}.depth")
        node("Max", [f"{x}.high", f"{x}.depth", "int8.tiny"], f"{x}.most")
        node("Mul", [f"{x}.most", "int8.step"], f"{x}.scales")
        node("Squeeze", [f"{x}.scales", "int8.last"], f"{x}.scale")
        node("Shape", [f"{x}.scale"], f"{x}.count")
        middle = helper.make_tensor("middle", TensorProto.UINT8, [1], [MIDDLE])
        node("ConstantOfShape", [f"{x}.count"], f"{x}.middles", value=middle)
        node("QuantizeLinear", [rows, f"{x}.scale", f"{x}.middles"], f"{x}.uint8", axis=0)
        node("Shape", [x], f"{x}.shape")
        node("Slice", [f"{x}.shape", "int8.first", "int8.last"], f"{x}.leading")

    def product(self, x: str, matrix: Any, output: str) -> None:
        """``x @ matrix`` under the name ``output``."""
        self.quantized(x, matrix.shape[0])
        scale = np.maximum(np.abs(matrix).max(0) / LEVELS, 1e-12).astype(np.float32)
        whole = np.clip(np.rint(matrix / scale), -LEVELS, LEVELS).astype(np.int8)
        weights = self.constant(f"{output}.int8", whole)
        scales = self.constant(f"{output}.scale", scale)
        width = self.constant(f"{output}.width", np.array([matrix.shape[1]], np.int64))
        self.node(
            "MatMulIntegerToFloat",
            [f"{x}.uint8", weights, "int8.one", scales, "int8.middle", "int8.zero"],
            f"{output}.unscaled", domain=CONTRIB,
        )  # fmt: skip
        self.node("Mul", [f"{output}.unscaled", f"{x}.scales"], f"{output}.rows")
        self.node("Concat", [f"{x}.leading", width], f"{output}.to", axis=0)
        self.node("Reshape", [f"{output}.rows", f"{output}.to"], output)
