"""The text tower: RoBERTa and two layers above it. It needs transformers, not laion-clap."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from m2m_adapters.errors import UserError
from m2m_adapters.models import (
    TokenEncoder,
    at_precision,
    digest_file,
    load_error,
    load_tokenizer,
    locate,
    pad_tokens,
)
from m2m_laion_clap.checkpoint import Checkpoint

MAX_TOKENS = 77  # as the package truncates
ROBERTA = ("roberta-base", "FacebookAI/roberta-base")  # the repository's old name and its new one


class LaionText(TokenEncoder):
    """``text_branch`` and ``text_projection`` of a checkpoint."""

    max_tokens = MAX_TOKENS

    def __init__(self, checkpoint: Checkpoint, device: Any, dtype: Any, precision: str) -> None:
        self.checkpoint = checkpoint
        self.device = device
        branch = checkpoint.part("text_branch.")
        words = branch["embeddings.word_embeddings.weight"]
        folder = tokenizer_folder(checkpoint)
        self.tokenizer = load_tokenizer(folder, len(words))
        self.branch = _roberta(checkpoint, branch).to(device, dtype)
        self.projection = projection(checkpoint, "text_projection.").to(device, dtype)
        self.dim = int(self.projection[2].out_features)
        read = folder / "tokenizer.json"
        tokens = digest_file(read if read.is_file() else folder / "vocab.json")[:16]
        inner = f"laion-clap:{checkpoint.located.fingerprint}:{tokens}:normalized"
        self.fingerprint = at_precision(inner, precision)

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        tokens = self.tokenizer(list(texts), truncation=True, max_length=MAX_TOKENS)
        return tokens["input_ids"]  # type: ignore[no-any-return]

    def collate(self, tokens: list[list[int]]) -> dict[str, Any]:
        return pad_tokens(tokens, self.tokenizer)

    def forward(self, batch: dict[str, Any]) -> Any:
        return self.projection(self.branch(**batch).pooler_output)

    @property
    def provenance(self) -> dict[str, Any]:
        return self.checkpoint.located.provenance


def _roberta(checkpoint: Checkpoint, state: dict[str, Any]) -> Any:
    import torch
    from transformers import RobertaConfig, RobertaModel

    words = state["embeddings.word_embeddings.weight"]
    width = int(words.shape[1])
    layers = {name.split(".")[2] for name in state if name.startswith("encoder.layer.")}
    try:
        config = RobertaConfig(
            vocab_size=len(words),
            hidden_size=width,
            num_hidden_layers=len(layers),
            num_attention_heads=width // 64,
            intermediate_size=len(state["encoder.layer.0.intermediate.dense.bias"]),
            max_position_embeddings=len(state["embeddings.position_embeddings.weight"]),
            type_vocab_size=1,
            layer_norm_eps=1e-5,
            pad_token_id=1,
            bos_token_id=0,
            eos_token_id=2,
        )
        with torch.device("meta"):
            model = RobertaModel(config)
        return filled(model, state)
    except Exception as error:
        raise load_error(checkpoint.located.name, error) from error


def filled(model: Any, state: dict[str, Any]) -> Any:
    """``model``, built on the meta device, with every weight from ``state`` and none other."""
    import torch

    model.load_state_dict(state, strict=True, assign=True)
    for module in model.modules():  # buffers that are not saved: token positions and types
        for name, value in list(module._buffers.items()):
            if value is not None and value.is_meta:
                length = value.shape[-1]
                buffer = (
                    torch.arange(length)[None] if "position" in name else torch.zeros(1, length)
                )
                module._buffers[name] = buffer.to(value.dtype)
    return model.float().eval().requires_grad_(False)


def projection(checkpoint: Checkpoint, prefix: str) -> Any:
    """The two layers that lead from a tower into the joint space."""
    import torch

    state = checkpoint.part(prefix)
    try:
        (inside, before), outside = state["0.weight"].shape, len(state["2.weight"])
        layers = torch.nn.Sequential(
            torch.nn.Linear(before, inside), torch.nn.ReLU(), torch.nn.Linear(inside, outside)
        )
        layers.load_state_dict(state)
    except Exception as error:
        raise load_error(checkpoint.located.name, error) from error
    return layers.eval().requires_grad_(False)


def tokenizer_folder(checkpoint: Checkpoint) -> Path:
    """RoBERTa's tokenizer: beside the checkpoint, else in the hub's cache, else of the hub."""
    beside = checkpoint.located.folder
    if (beside / "tokenizer.json").is_file() or (beside / "vocab.json").is_file():
        return beside
    from huggingface_hub import try_to_load_from_cache

    for name in ROBERTA:
        # Looked for here, since a cache may rightly hold the tokenizer without the weights.
        cached = try_to_load_from_cache(name, "tokenizer.json")
        if isinstance(cached, str):
            return Path(cached).parent
    try:
        return locate(ROBERTA[1], scheme="laion-clap").folder
    except UserError as error:
        raise UserError(
            f"{checkpoint.located.name} needs RoBERTa's tokenizer, and {error.what}",
            f"on a machine with a network, download it with `hf download {ROBERTA[1]} "
            f"tokenizer.json tokenizer_config.json config.json`, or put these files into {beside}",
        ) from error
