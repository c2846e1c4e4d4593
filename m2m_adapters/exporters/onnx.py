"""``onnx``: the projector alone, or tokens to vectors in one graph; checked in onnxruntime."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from m2m_adapters._internal.files import whole_file
from m2m_adapters._internal.folders import whole_folder
from m2m_adapters.errors import UserError
from m2m_adapters.exporters.onnx_precision import PRECISIONS, check_precision, lower
from m2m_adapters.exporters.source import (
    REMEDY,
    source_model,
    source_prompt,
    source_width,
    unit_source,
)
from m2m_adapters.exporters.verify import PROBES, Exported, compare, source_probes
from m2m_adapters.interfaces import Vectors

if TYPE_CHECKING:
    from m2m_adapters.artifact.adapter import Adapter

OPSET = 20
TINY = 1e-12


def export_projector(adapter: Adapter, out: Path, precision: str = "fp32") -> Exported:
    """One file: ``vectors`` float32 ``[n, d_in]`` -> ``projected`` float32 ``[n, d_out]``."""
    onnx = library()
    check_precision(precision)
    out = out if out.suffix == ".onnx" else out.with_name(out.name + ".onnx")
    vectors = source_probes(adapter.projector.shape.d_in)
    with whole_file(out) as temporary:
        onnx.save(lower(projector_graph(adapter), precision, products=False), str(temporary))
        onnx.checker.check_model(str(temporary))
        session = open_session(temporary)
        theirs = session.run(None, {"vectors": vectors})[0]
        return _compare("onnx-projector", out, adapter.project(vectors), theirs, precision)


def export(adapter: Adapter, out: Path, precision: str = "fp32") -> Exported:
    """A folder: ``model.onnx`` (``input_ids``, ``attention_mask`` -> ``vectors``), a tokenizer.

    Batch and length are free. ``encoder.json`` says how texts become tokens.
    """
    onnx = library()
    check_precision(precision)
    model, tokenizer = source_and_tokenizer(adapter)
    graph = token_graph(adapter, model, tokenizer)
    limit = int(model.max_seq_length or tokenizer.model_max_length)
    told = {
        "inputs": {"input_ids": "int64 [n, tokens]", "attention_mask": "int64 [n, tokens]"},
        "output": {"vectors": f"float32 [n, {adapter.dim}]"},
        "max_tokens": limit,
        "prompt": source_prompt(adapter, model),
        "precision": precision,
        "adapter": adapter.digest,
    }
    texts = list(PROBES)
    ours = adapter.encode(texts)
    with whole_folder(out) as temporary:
        large = graph.ByteSize() > (1 << 31) - (1 << 24) and precision == "fp32"
        onnx.save(
            lower(graph, precision),
            str(temporary / "model.onnx"),
            save_as_external_data=large,  # a protobuf message ends at 2 GiB
            location="model.onnx_data" if large else None,
        )
        tokenizer.save_pretrained(temporary)
        (temporary / "encoder.json").write_text(json.dumps(told, indent=2, ensure_ascii=False))
        onnx.checker.check_model(str(temporary / "model.onnx"))
        return _compare("onnx", out, ours, run(temporary, texts), precision)


def run(folder: str | Path, texts: list[str]) -> Vectors:
    """What a reader of the folder has to do: onnxruntime and the tokenizer, nothing of ours."""
    from transformers import AutoTokenizer

    folder = Path(folder)
    told = json.loads((folder / "encoder.json").read_text(encoding="utf-8"))
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    tokens = tokenizer(
        [told["prompt"] + text for text in texts],
        padding=True,
        truncation=True,
        max_length=told["max_tokens"],
        return_tensors="np",
    )
    wanted = {name: tokens[name].astype(np.int64) for name in ("input_ids", "attention_mask")}
    return np.asarray(open_session(folder / "model.onnx").run(None, wanted)[0], np.float32)


def library() -> Any:
    try:
        import onnx
        import onnxruntime  # noqa: F401  an export that cannot be checked is not made
    except ImportError as error:
        raise UserError(
            f"this export needs {error.name}", 'pip install "m2m-adapters[export]"'
        ) from error
    return onnx


def open_session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _compare(name: str, out: Path, ours: Vectors, theirs: Any, precision: str) -> Exported:
    angle, tolerance, note = PRECISIONS[precision]
    return compare(name, out, ours, theirs, tolerance, angle=angle, notes=[note] if note else None)


def projector_graph(adapter: Adapter) -> Any:
    """The projector as an ONNX model, written node by node: nothing to trace."""
    from onnx import TensorProto, helper, numpy_helper

    nodes: list[Any] = []
    constants: list[Any] = []

    def constant(name: str, value: Any) -> str:
        constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        made = output or f"{kind}_{len(nodes)}"
        nodes.append(helper.make_node(kind, list(inputs), [made], **attributes))
        return made

    def unit(x: str, output: str = "") -> str:
        length = node("ReduceL2", x, constant(f"axis_{len(nodes)}", np.array([1], np.int64)))
        return node("Div", x, node("Max", length, "tiny"), output=output)

    projector = adapter.projector
    constant("tiny", np.array(TINY, np.float32))
    z = "vectors"
    if adapter.record.source.normalize:
        z = unit(z)
    names = {"relu": "Relu", "gelu": "Gelu", "tanh": "Tanh"}
    for number, step in enumerate(projector.affine_steps()):
        moved = node("MatMul", z, constant(f"W{number}", step.weight.numpy().T.copy()))
        z = node("Add", moved, constant(f"b{number}", step.bias.numpy()))
        z = node(names[step.activation], z) if step.activation in names else z
    if projector.shape.head == "l2":
        unit(z, "projected")
    elif (norm := projector.head_norm) is not None:
        gamma = constant("gamma", norm.weight.detach().numpy())
        beta = constant("beta", norm.bias.detach().numpy())
        node("LayerNormalization", z, gamma, beta, output="projected", epsilon=norm.eps)
    else:
        node("Identity", z, output="projected")
    shape = projector.shape
    graph = helper.make_graph(
        nodes,
        "projector",
        [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["n", shape.d_in])],
        [helper.make_tensor_value_info("projected", TensorProto.FLOAT, ["n", shape.d_out])],
        constants,
    )
    opset = [helper.make_opsetid("", OPSET)]
    return helper.make_model(graph, opset_imports=opset, ir_version=9, producer_name="m2m-adapters")


def source_and_tokenizer(adapter: Adapter) -> tuple[Any, Any]:
    """(the source as a SentenceTransformer of our own to change, its tokenizer)."""
    model = copy.deepcopy(source_model(adapter))
    encoder = getattr(model[0], "model", None) or getattr(model[0], "auto_model", None)
    if encoder is None or getattr(model, "tokenizer", None) is None:
        raise UserError("the source does not begin with a transformer and its tokenizer", REMEDY)
    return model, model.tokenizer


def token_graph(adapter: Adapter, model: Any, tokenizer: Any) -> Any:
    """input_ids, attention_mask -> vectors, as torch's exporter sees it."""
    import logging
    import warnings

    import torch
    from torch import Tensor, nn

    class Graph(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = getattr(model[0], "model", None) or model[0].auto_model
            self.rest = nn.ModuleList(list(model)[1:])
            self.projector = copy.deepcopy(adapter.projector)
            self.scale = unit_source(adapter)
            self.width = source_width(model)
            # Models that pool without their prompt need to know how long it is.
            prompt = source_prompt(adapter, model)
            apart = any(getattr(module, "include_prompt", True) is False for module in self.rest)
            self.prompt_length = model[0]._get_prompt_length(prompt) if prompt and apart else None

        def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Any:
            hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask)
            found = {
                "token_embeddings": hidden.last_hidden_state,
                "attention_mask": attention_mask,
            }
            if self.prompt_length is not None:
                beyond = attention_mask.cumsum(1) > self.prompt_length
                found["attention_mask"] = attention_mask * beyond
            for module in self.rest:
                found = module(found)
            x = found["sentence_embedding"][:, : self.width]
            return self.projector(nn.functional.normalize(x, dim=-1) if self.scale else x)

    made = Graph().eval()
    if hasattr(made.encoder, "set_attn_implementation"):
        # Fused attention kernels have no counterpart in ONNX.
        made.encoder.set_attn_implementation("eager")
    tokens = tokenizer(list(PROBES[:3]), padding=True, return_tensors="pt")
    free = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                made,
                (tokens["input_ids"], tokens["attention_mask"]),
                dynamo=True,
                dynamic_shapes={"input_ids": free, "attention_mask": free},
                input_names=["input_ids", "attention_mask"],
                output_names=["vectors"],
                opset_version=OPSET,
                verbose=False,
            )
    except ImportError as error:
        raise UserError(
            f"this export needs {error.name}", 'pip install "m2m-adapters[export]"'
        ) from error
    except Exception as error:
        told = re.sub(r"\x1b\[\d*m", "", " ".join(str(error).split()))[:200]
        raise UserError(
            f"torch cannot export the graph of this source ({told})",
            "export the projector alone: --to onnx-projector",
        ) from error
    finally:
        logger.setLevel(level)
    assert program is not None
    return program.model_proto
