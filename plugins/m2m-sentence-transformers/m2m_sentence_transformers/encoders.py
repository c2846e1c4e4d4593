"""How a loaded model encodes: in our batches, or by the library's own ``encode``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import TextEncoder, Vectors, normalize
from m2m_adapters.models import (
    TOKENS_PER_BATCH,
    Located,
    TokenEncoder,
    at_precision,
    batches,
    pad_tokens,
)

INT8 = "onnx-int8"
TORCH = "leave the backend at torch"


class _Source(TextEncoder):
    """What both kinds share: the model, where it came from, how it is used."""

    located: Located
    settings: dict[str, Any]

    def _describe(self, model: Any, located: Located, settings: dict[str, Any]) -> None:
        self.located, self.settings = located, settings
        modes = [module.pooling_mode for module in model if hasattr(module, "pooling_mode")]
        pooling = [mode if isinstance(mode, str) else "+".join(mode) for mode in modes]
        self._pooling = pooling[0] if pooling else None
        dim = model.get_embedding_dimension()
        if dim is None:
            dim = len(model.encode(["a"])[0])
        self.dim = int(dim)
        self.max_tokens = settings["max_tokens"]
        self.normalized = bool(settings["normalized"])
        # Where the model's own last module gives length 1, so do we.
        if not self.normalized and type(model[len(model) - 1]).__name__ == "Normalize":
            self.normalized = settings["truncate_dim"] is None

    @cached_property
    def fingerprint(self) -> str:
        settings = {key: value for key, value in self.settings.items() if key != "precision"}
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
        name = f"st:{self.located.fingerprint}:{digest}"
        # In 8 bits a model is another one: its vectors are too far from those in fp32.
        return (
            name
            if self.settings["backend"] == INT8
            else at_precision(name, self.settings["precision"])
        )

    @property
    def provenance(self) -> dict[str, Any]:
        """Model, revision or digest, pooling, prompt, longest text, and how it was run."""
        return {
            **self.located.provenance,
            **{key: value for key, value in self.settings.items() if value not in (None, "")},
            "pooling": self._pooling,
        }


class PlainSource(_Source, TokenEncoder):
    """A transformer with pooling, whose tokens are batched by us."""

    def __init__(self, model: Any, located: Located, settings: dict[str, Any]) -> None:
        self._describe(model, located, settings)
        self.device = model.device
        self.tokenizer = model[0].processor
        self._prompt = settings["prompt"]
        # Set only where a model pools without its prompt: then it must know the prompt's length.
        self._prompt_length = model[0]._get_prompt_length(self._prompt) if self._prompt else None

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        prompted = [self._prompt + text for text in texts] if self._prompt else list(texts)
        return self.tokenizer(prompted, truncation="longest_first")["input_ids"]  # type: ignore[no-any-return]

    def collate(self, tokens: list[list[int]]) -> dict[str, Any]:
        import torch

        batch = pad_tokens(tokens, self.tokenizer)
        if "attention_mask" not in batch:
            raise UserError(f"{self.located.name} has a tokenizer without masks", "report this")
        if "token_type_ids" in self.tokenizer.model_input_names:
            batch["token_type_ids"] = torch.zeros_like(batch["input_ids"])
        return batch


class TokenSource(PlainSource):
    """Batches run through the model's own modules."""

    def __init__(self, model: Any, located: Located, settings: dict[str, Any]) -> None:
        super().__init__(model, located, settings)
        self.model = model

    def forward(self, batch: dict[str, Any]) -> Any:
        return self._run(batch)["sentence_embedding"][:, : self.dim]

    def _run(self, batch: dict[str, Any]) -> Any:
        features: dict[str, Any] = {**batch, "modality": "text"}
        if self._prompt_length is not None:
            features["prompt_length"] = self._prompt_length
        return self.model(features)

    def layer_states(self, batch: dict[str, Any]) -> Sequence[Any]:
        model = self.model[0].auto_model
        if getattr(model.config, "is_encoder_decoder", False) and hasattr(model, "get_encoder"):
            model = model.get_encoder()
        return model(**batch, output_hidden_states=True).hidden_states  # type: ignore[no-any-return]

    def encode_tokens(self, texts: Sequence[str]) -> list[Vectors]:
        import torch

        tokens = self.tokenize(texts)
        rows_of: list[Vectors] = [np.zeros((0, 0), np.float32)] * len(tokens)
        with torch.inference_mode():
            for rows in batches(range(len(tokens)), tokens, TOKENS_PER_BATCH):
                batch = self.collate([tokens[i] for i in rows])
                batch = {key: value.to(self.device) for key, value in batch.items()}
                states = self._run(batch)["token_embeddings"].float().cpu().numpy()
                for row, of_text in zip(rows, states, strict=True):
                    rows_of[row] = of_text[: len(tokens[row])].copy()
        return rows_of


class WholeSource(_Source):
    """Any other kind (word vectors, routers, chat templates): the library's own ``encode``."""

    def __init__(self, model: Any, located: Located, settings: dict[str, Any]) -> None:
        self._describe(model, located, settings)
        self.model = model

    def encode(self, texts: Sequence[str], **options: Any) -> Vectors:
        if not len(texts):
            return np.zeros((0, self.dim), np.float32)
        inputs: list[Any] = list(texts)
        if any(kind != "text" for kind in self.model.modalities):
            # As bare strings, sentences that look like a picture's address would be fetched.
            inputs = [{"text": text} for text in texts]
        vectors = self.model.encode(
            inputs,
            prompt=self.settings["prompt"] or None,
            batch_size=int(options.get("batch_size") or 32),
            show_progress_bar=False,
            convert_to_numpy=True,
        )
        vectors = np.asarray(vectors, dtype=np.float32)
        return normalize(vectors) if self.normalized else vectors
