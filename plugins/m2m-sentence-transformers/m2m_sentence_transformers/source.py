"""A sentence-transformers model as a source: found, opened, and with its prompt and limits."""

from __future__ import annotations

from typing import Any

from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import TextEncoder
from m2m_adapters.models import (
    Located,
    check_vocabulary,
    choose_device,
    choose_dtype,
    choose_precision,
    load_error,
    locate,
    no_progress_bars,
)
from m2m_sentence_transformers.encoders import INT8, TORCH, TokenSource, WholeSource
from m2m_sentence_transformers.foreign_code import refuse_foreign_code
from m2m_sentence_transformers.loading_report import missing_weights

BACKENDS = {
    "torch": (),
    "onnx-int8": ("onnxruntime",),
    "onnx": ("onnxruntime", "optimum"),
    "openvino": ("openvino", "optimum"),
}
"""Backend -> the packages it needs besides."""


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
    backend: ``onnx-int8`` computes on the CPU in 8 bits, from a file that is made once.
    truncate_dim: keep so many columns of a Matryoshka model, and give them length 1 again.
    normalized: False keeps the model's own lengths.
    """
    chosen = choose_device("cpu" if backend == INT8 else device)
    if backend == "torch":
        precision = choose_precision(precision, chosen)
    elif precision == "auto":
        precision = "fp32"
    dtype = choose_dtype(precision)
    _check_backend(backend, precision)
    library = "torch" if backend == INT8 else backend  # which reads the model
    located = locate(model, revision, scheme="st", extra="" if library == "torch" else library)
    refuse_foreign_code(located, trust_remote_code)
    loaded = _open(located, chosen, dtype, trust_remote_code, library, truncate_dim)
    prompt = _prompt(loaded, located, prompt, prompt_name)
    if max_tokens is not None:
        if max_tokens < 1:
            raise UserError(f"max_tokens is {max_tokens}", "give at least 1, or leave it out")
        loaded.max_seq_length = max_tokens
    dim = loaded.get_embedding_dimension()
    if truncate_dim is not None and not 0 < truncate_dim <= (dim or truncate_dim):
        raise UserError(
            f"truncate_dim is {truncate_dim}, the model has {dim} columns", "choose fewer columns"
        )
    settings = {
        "backend": backend,
        "precision": "int8" if backend == INT8 else precision,
        "prompt": prompt,
        "max_tokens": _limit(loaded),
        "truncate_dim": truncate_dim,
        "normalized": normalized,
    }
    if backend == INT8:
        from m2m_sentence_transformers.int8 import Int8Source

        if not _is_plain(loaded):
            raise UserError(f"{located.name} is no plain transformer, which {INT8} needs", TORCH)
        return Int8Source(loaded, located, settings)
    kind = TokenSource if _is_plain(loaded) else WholeSource
    return kind(loaded, located, settings)


def _check_backend(backend: str, precision: str) -> None:
    if backend not in BACKENDS:
        raise UserError(f"'{backend}' is not a backend", f"use {', '.join(BACKENDS)}")
    if backend == "torch":
        return
    import importlib.util

    for package in BACKENDS[backend]:
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
            model = SentenceTransformer(
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
    model.eval()
    tokenizer = getattr(model, "tokenizer", None)
    config = getattr(getattr(model[0], "auto_model", None), "config", None)
    if config is not None and callable(tokenizer):
        vocabulary = getattr(config.get_text_config(), "vocab_size", None)
        if vocabulary is not None:
            check_vocabulary(tokenizer, int(vocabulary), located.name)
    return model


def _prompt(model: Any, located: Located, prompt: str | None, name: str | None) -> str:
    """The text before every sentence; empty for none."""
    if prompt is not None:
        return prompt
    name = name or model.default_prompt_name
    if name is None:
        return ""
    if name not in model.prompts:
        raise UserError(
            f"{located.name} has no prompt '{name}'",
            f"choose one of {', '.join(sorted(model.prompts)) or '(it has none)'}",
        )
    return str(model.prompts[name])


def _limit(model: Any) -> int | None:
    limit = model.max_seq_length
    # Tokenizers without a limit say 10^30.
    return int(limit) if limit is not None and limit < 10**6 else None


def _is_plain(model: Any) -> bool:
    """Whether the model is a transformer that takes plain tokens, which we can batch ourselves."""
    from sentence_transformers.sentence_transformer.modules import Transformer
    from transformers import PreTrainedTokenizerBase

    first = model[0]
    return (
        type(first) is Transformer
        and isinstance(first.processor, PreTrainedTokenizerBase)
        and set(first.modality_config) == {"text"}
        and not first.processing_kwargs
    )
