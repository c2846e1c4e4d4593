"""Adapters as ONNX graphs: the projector alone, or from a source's tokens to vectors."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from m2m_adapters.errors import UserError
from m2m_adapters.exporters.source import (
    REMEDY,
    source_model,
    source_prompt,
    source_width,
    unit_source,
)
from m2m_adapters.exporters.verify import PROBES
from m2m_adapters.models.onnx_tracing import OPSET, traced

if TYPE_CHECKING:
    from onnx import ModelProto
    from sentence_transformers import SentenceTransformer
    from transformers import PreTrainedTokenizerBase

    from m2m_adapters.artifact.adapter import Adapter

TINY = 1e-12
ALONE = "export the projector alone: --to onnx-projector"


def projector_graph(adapter: Adapter) -> ModelProto:
    """The projector as an ONNX model, written node by node: nothing to trace."""
    from onnx import TensorProto, helper, numpy_helper

    nodes: list[Any] = []
    constants: list[Any] = []

    def constant(name: str, value: npt.ArrayLike) -> str:
        constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(kind: str, *inputs: str, output: str = "", **attributes: float) -> str:
        name = output or f"{kind}_{len(nodes)}"
        nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

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


def source_and_tokenizer(
    adapter: Adapter,
) -> tuple[SentenceTransformer, PreTrainedTokenizerBase]:
    """(the source as a SentenceTransformer of our own to change, its tokenizer)."""
    model = copy.deepcopy(source_model(adapter))
    encoder = getattr(model[0], "model", None) or getattr(model[0], "auto_model", None)
    if encoder is None or getattr(model, "tokenizer", None) is None:
        raise UserError("the source does not begin with a transformer and its tokenizer", REMEDY)
    return model, model.tokenizer


def token_graph(
    adapter: Adapter, model: SentenceTransformer, tokenizer: PreTrainedTokenizerBase
) -> ModelProto:
    """input_ids, attention_mask -> vectors, as torch's exporter sees it."""
    from torch import Tensor, nn

    class Graph(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = getattr(model[0], "model", None) or model[0].auto_model
            self.rest = nn.ModuleList(list(model)[1:])
            self.projector: Any = copy.deepcopy(adapter.projector)
            self.scale = unit_source(adapter)
            self.width = source_width(model)
            # Models that pool without their prompt need to know how long it is.
            prompt = source_prompt(adapter, model)
            apart = any(getattr(module, "include_prompt", True) is False for module in self.rest)
            self.prompt_length = model[0]._get_prompt_length(prompt) if prompt and apart else None

        def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
            hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask)
            if self.projector.level == "token":
                mask = attention_mask.bool()
                states: Tensor = self.projector.cut(self.projector(hidden.last_hidden_state, mask))
                return states
            features = {
                "token_embeddings": hidden.last_hidden_state,
                "attention_mask": attention_mask,
            }
            if self.prompt_length is not None:
                beyond = attention_mask.cumsum(1) > self.prompt_length
                features["attention_mask"] = attention_mask * beyond
            for module in self.rest:
                features = module(features)
            x = features["sentence_embedding"][:, : self.width]
            vectors: Tensor = self.projector(
                nn.functional.normalize(x, dim=-1) if self.scale else x
            )
            return vectors

    graph = Graph().eval()
    if hasattr(graph.encoder, "set_attn_implementation"):
        # Fused attention kernels have no counterpart in ONNX.
        graph.encoder.set_attn_implementation("eager")
    tokens = tokenizer(list(PROBES[:3]), padding=True, return_tensors="pt")
    example = {name: tokens[name] for name in ("input_ids", "attention_mask")}
    return traced(graph, example, "vectors", remedy=ALONE)


def states_graph(adapter: Adapter) -> ModelProto:
    """``states`` float32 ``[n, tokens, d_in]``, ``mask`` bool ``[n, tokens]`` -> ``projected``."""
    import torch
    from torch import Tensor, nn

    class Graph(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.projector: Any = copy.deepcopy(adapter.projector)

        def forward(self, states: Tensor, mask: Tensor) -> Tensor:
            rows: Tensor = self.projector.cut(self.projector(states, mask))
            return rows

    width = adapter.projector.shape.d_in
    example = {"states": torch.zeros(2, 5, width), "mask": torch.ones(2, 5, dtype=torch.bool)}
    return traced(Graph().eval(), example, "projected", remedy=ALONE)
