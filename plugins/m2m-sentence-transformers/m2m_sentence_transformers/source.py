"""A sentence-transformers model as a source: its tokenizer, prompts and modules, our batches."""

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
    check_vocabulary,
    choose_device,
    choose_dtype,
    choose_precision,
    load_error,
    locate,
    no_progress_bars,
    pad_tokens,
)
from m2m_sentence_transformers.foreign_code import refuse_foreign_code
from m2m_sentence_transformers.loading_report import missing_weights

BACKENDS = {"torch": "", "onnx": "onnxruntime", "openvino": "openvino"}


def load(
    model: str,
    *,
    revision: str | None = None,
    device: str = "auto",
    precision: str = "auto",
    trust_remote_code: bool = False,
    backend: str = "torch",
    prompt: str | None = None,
    prompt_name: str | None = None,
    truncate_dim: int | None = None,
    max_tokens: int | None = None,
    normalized: bool = True,
) -> TextEncoder:
    """The sentence-transformers model ``model``: an id of the hub or a folder.

    prompt: text put before every sentence (E5: ``"query: "``); prompt_name: one of the
        model's own prompts instead. Without either, the model's default prompt is used.
    truncate_dim: keep so many columns of a Matryoshka model, and give them length 1 again.
    normalized: False keeps the model's own lengths.
    """
    chosen = choose_device(device)
    if backend == "torch":
        precision = choose_precision(precision, chosen)
    elif precision == "auto":
        precision = "fp32"
    dtype = choose_dtype(precision)
    _check_backend(backend, precision)
    located = locate(model, revision, scheme="st", extra="" if backend == "torch" else backend)
    refuse_foreign_code(located, trust_remote_code)
    made = _open(located, chosen, dtype, trust_remote_code, backend, truncate_dim)
    prompt = _prompt(made, located, prompt, prompt_name)
    if max_tokens is not None:
        if max_tokens < 1:
            raise UserError(f"max_tokens is {max_tokens}", "give at least 1, or leave it out")
        made.max_seq_length = max_tokens
    dim = made.get_embedding_dimension()
    if truncate_dim is not None and not 0 < truncate_dim <= (dim or truncate_dim):
        raise UserError(
            f"truncate_dim is {truncate_dim}, the model has {dim} columns", "choose fewer columns"
        )
    settings = {
        "backend": backend,
        "precision": precision,
        "prompt": prompt,
        "max_tokens": _limit(made),
        "truncate_dim": truncate_dim,
        "normalized": normalized,
    }
    kind = TokenSource if _is_plain(made) else WholeSource
    return kind(made, located, settings)


def _check_backend(backend: str, precision: str) -> None:
    if backend not in BACKENDS:
        raise UserError(f"'{backend}' is not a backend", f"use {', '.join(BACKENDS)}")
    if backend == "torch":
        return
    import importlib.util

    for package in (BACKENDS[backend], "optimum"):
        if importlib.util.find_spec(package) is None:
            raise UserError(
                f"the {backend} backend needs the Python package '{package}'",
                f'pip install "m2m-sentence-transformers[{backend}]"',
            )
    if precision != "fp32":
        raise UserError(
            f"the {backend} backend has the precision of its file, not {precision}",
            "leave the precision at fp32",
        )


def _open(
    located: Located,
    device: Any,
    dtype: Any,
    trusted: bool,
    backend: str,
    truncate_dim: int | None,
) -> Any:
    from sentence_transformers import SentenceTransformer

    if not (located.folder / "modules.json").is_file():
        if not (located.folder / "config.json").is_file():
            raise UserError(
                f"{located.name} is not a sentence-transformers model: no modules.json in it",
                "give a folder saved by sentence-transformers, or a model id of the hub",
            )
    try:
        with no_progress_bars(), missing_weights() as missing:
            made = SentenceTransformer(
                str(located.folder),
                device=str(device),
                trust_remote_code=trusted,
                local_files_only=not trusted,  # trusted code may live in another repository
                truncate_dim=truncate_dim,
                backend=backend,
                model_kwargs={"dtype": dtype} if backend == "torch" else {},
            )
    except Exception as error:
        raise load_error(located.name, error) from error
    if missing:
        raise UserError(
            f"{located.name} lacks weights: {', '.join(missing[:3])}"
            + (f" and {len(missing) - 3} more" if len(missing) > 3 else ""),
            "the checkpoint is incomplete or of another model; fetch it again",
        )
    made.eval()
    tokenizer = getattr(made, "tokenizer", None)
    config = getattr(getattr(made[0], "auto_model", None), "config", None)
    if config is not None and callable(tokenizer):
        vocabulary = getattr(config.get_text_config(), "vocab_size", None)
        if vocabulary is not None:
            check_vocabulary(tokenizer, int(vocabulary), located.name)
    return made


def _prompt(made: Any, located: Located, prompt: str | None, name: str | None) -> str:
    """The text before every sentence; empty for none."""
    if prompt is not None:
        return prompt
    name = name or made.default_prompt_name
    if name is None:
        return ""
    if name not in made.prompts:
        raise UserError(
            f"{located.name} has no prompt '{name}'",
            f"choose one of {', '.join(sorted(made.prompts)) or '(it has none)'}",
        )
    return str(made.prompts[name])


def _limit(made: Any) -> int | None:
    limit = made.max_seq_length
    # Tokenizers without a limit say 10^30.
    return int(limit) if limit is not None and limit < 10**6 else None


def _is_plain(made: Any) -> bool:
    """Whether the model is a transformer that takes plain tokens, which we can batch ourselves."""
    from sentence_transformers.sentence_transformer.modules import Transformer
    from transformers import PreTrainedTokenizerBase

    first = made[0]
    return (
        type(first) is Transformer
        and isinstance(first.processor, PreTrainedTokenizerBase)
        and set(first.modality_config) == {"text"}
        and not first.processing_kwargs
    )


class _Source(TextEncoder):
    """What both kinds share: the model, where it came from, how it is used."""

    located: Located
    settings: dict[str, Any]
    model: Any

    def _describe(self, model: Any, located: Located, settings: dict[str, Any]) -> None:
        self.model, self.located, self.settings = model, located, settings
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
        return at_precision(f"st:{self.located.fingerprint}:{digest}", self.settings["precision"])

    @property
    def provenance(self) -> dict[str, Any]:
        """Model, revision or digest, pooling, prompt, longest text, and how it was run."""
        modes = [module.pooling_mode for module in self.model if hasattr(module, "pooling_mode")]
        pooling = [mode if isinstance(mode, str) else "+".join(mode) for mode in modes]
        return {
            **self.located.provenance,
            **{key: value for key, value in self.settings.items() if value not in (None, "")},
            "pooling": pooling[0] if pooling else None,
        }


class TokenSource(_Source, TokenEncoder):
    """A transformer with pooling: tokens batched by us, run through the model's own modules."""

    def __init__(self, model: Any, located: Located, settings: dict[str, Any]) -> None:
        self._describe(model, located, settings)
        self.device = model.device
        self.tokenizer = model[0].processor
        self._prompt = settings["prompt"]
        # Set only where a model pools without its prompt: then it must know the prompt's length.
        self._prompt_length = model[0]._get_prompt_length(self._prompt) if self._prompt else None

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        some = [self._prompt + text for text in texts] if self._prompt else list(texts)
        return self.tokenizer(some, truncation="longest_first")["input_ids"]  # type: ignore[no-any-return]

    def collate(self, tokens: list[list[int]]) -> dict[str, Any]:
        import torch

        batch = pad_tokens(tokens, self.tokenizer)
        if "attention_mask" not in batch:
            raise UserError(f"{self.located.name} has a tokenizer without masks", "report this")
        if "token_type_ids" in self.tokenizer.model_input_names:
            batch["token_type_ids"] = torch.zeros_like(batch["input_ids"])
        return batch

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
        found: list[Vectors] = [np.zeros((0, 0), np.float32)] * len(tokens)
        with torch.inference_mode():
            for rows in batches(range(len(tokens)), tokens, TOKENS_PER_BATCH):
                batch = self.collate([tokens[i] for i in rows])
                batch = {key: value.to(self.device) for key, value in batch.items()}
                states = self._run(batch)["token_embeddings"].float().cpu().numpy()
                for row, some in zip(rows, states, strict=True):
                    found[row] = some[: len(tokens[row])].copy()
        return found


class WholeSource(_Source):
    """Any other kind (word vectors, routers, chat templates): the library's own ``encode``."""

    def __init__(self, model: Any, located: Located, settings: dict[str, Any]) -> None:
        self._describe(model, located, settings)

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
