"""A sentence-transformers model in 8 bits: its graph made once, run by onnxruntime."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from m2m_adapters.errors import UserError
from m2m_adapters.models import Located, int8_session, traced
from m2m_sentence_transformers.encoders import TORCH, PlainSource

PROBES = ("a dog barks", "two red squares above a small circle", "ein Hund bellt im Regen")
LEAST_COSINE = 0.9
"""To what the model itself gives for the probes; one that loses more is refused."""


class Int8Source(PlainSource):
    """Tokens through the model's graph, large matrices in 8 bits. It keeps no torch model."""

    def __init__(self, model: Any, located: Located, settings: dict[str, Any]) -> None:
        super().__init__(model, located, settings)
        # Models that pool without their prompt need to know how long it is.
        apart = any(getattr(module, "include_prompt", True) is False for module in model)
        self._left_out = self._prompt_length if apart else None
        # Which tokens are pooled is part of the graph; the rest is done outside of it.
        key = f"st:{located.fingerprint}:{self._left_out}"
        self.session = int8_session(key, lambda: self._graph(model))
        self._check(model)

    def forward(self, batch: dict[str, Any]) -> Any:
        import torch

        inputs = {name: batch[name].numpy() for name in ("input_ids", "attention_mask")}
        return torch.from_numpy(self.session.run(None, inputs)[0])[:, : self.dim]

    def _graph(self, model: Any) -> Any:
        from torch import Tensor, nn

        left_out = self._left_out

        class Graph(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.encoder = copy.deepcopy(model[0].auto_model).eval()
                if hasattr(self.encoder, "set_attn_implementation"):
                    # Fused attention kernels have no counterpart in ONNX.
                    self.encoder.set_attn_implementation("eager")
                self.rest = nn.ModuleList(list(model)[1:])

            def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
                hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask)
                states: dict[str, Any] = {
                    "token_embeddings": hidden.last_hidden_state,
                    "attention_mask": attention_mask,
                }
                if left_out is not None:
                    beyond = attention_mask.cumsum(1) > left_out
                    states["attention_mask"] = attention_mask * beyond
                for module in self.rest:
                    states = module(states)
                vectors: Tensor = states["sentence_embedding"]
                return vectors

        batch = self.collate(self.tokenize(PROBES))
        example = {name: batch[name] for name in ("input_ids", "attention_mask")}
        return traced(Graph().eval(), example, "vectors", remedy=TORCH)

    def _check(self, model: Any) -> None:
        """Refuse a graph that is not near the model, whatever the reason."""
        import torch

        with torch.inference_mode():
            batch = self.collate(self.tokenize(PROBES))
            features: dict[str, Any] = {**batch, "modality": "text"}
            if self._prompt_length is not None:
                features["prompt_length"] = self._prompt_length
            exact = model(features)["sentence_embedding"][:, : self.dim].numpy()
            ours = self.forward(batch).numpy()
        lengths = np.linalg.norm(exact, axis=1) * np.linalg.norm(ours, axis=1)
        cosine = float(np.min((exact * ours).sum(1) / np.maximum(lengths, 1e-12)))
        if not cosine >= LEAST_COSINE:
            raise UserError(
                f"{self.located.name} loses too much in 8 bits (cosine {cosine:.2f})", TORCH
            )
