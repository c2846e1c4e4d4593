"""Jina-CLIP v1 and v2: dual encoders whose code comes with their weights.

That code runs only when the user says so. Nothing in a registry, an adapter or a model's
folder can say it for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import ModalityModel
from m2m_adapters.models import (
    ItemTarget,
    Located,
    TokenEncoder,
    at_precision,
    check_vocabulary,
    choose_device,
    choose_dtype,
    choose_precision,
    load_error,
    pad_tokens,
    rgb_image,
)


def load_remote(
    located: Located,
    config: dict[str, Any],
    device: str,
    precision: str,
    trust_remote_code: bool,
) -> ModalityModel:
    """The model of ``located``, whose ``auto_map`` names code of its own."""
    kind = config.get("model_type")
    if not trust_remote_code:
        raise UserError(
            f"{located.name} ('{kind}') comes with Python code of its own, which is not run "
            "unless you allow it",
            "read the code in its repository, then pass --trust-remote-code (it may also need "
            "`pip install einops timm` and an older transformers)",
        )
    return RemoteDual(located, device=device, precision=precision)


class RemoteText(TokenEncoder):
    """The text tower of such a model, through its ``get_text_features``."""

    def __init__(self, owner: RemoteDual) -> None:
        self.owner = owner
        self.device = owner.device
        self.tokenizer = owner.tokenizer
        config = owner.model.config
        text = config.text_config
        limit = int(getattr(self.tokenizer, "model_max_length", 512))
        self.max_tokens = min(limit, int(getattr(text, "max_position_embeddings", 0) or 8192), 8192)
        self.dim = int(getattr(config, "projection_dim", 0) or text.embed_dim)

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        tokens = self.tokenizer(list(texts), truncation=True, max_length=self.max_tokens)
        return tokens["input_ids"]  # type: ignore[no-any-return]

    def collate(self, tokens: list[list[int]]) -> dict[str, Any]:
        return pad_tokens(tokens, self.tokenizer)

    def forward(self, batch: dict[str, Any]) -> Any:
        output = self.owner.model.get_text_features(**batch)
        return getattr(output, "pooler_output", output)

    @cached_property
    def fingerprint(self) -> str:
        inner = f"clip:{self.owner.located.fingerprint}:normalized"
        return at_precision(inner, self.owner.precision)

    @property
    def provenance(self) -> dict[str, Any]:
        return self.owner.located.provenance


class RemoteDual(ItemTarget):
    """Both towers at once: code we do not know cannot be halved safely."""

    modality = "image"

    def __init__(self, located: Located, *, device: str, precision: str) -> None:
        self.located = located
        self.device = choose_device(device)
        self.precision = choose_precision(precision, self.device)
        self.dtype = choose_dtype(self.precision)

    @cached_property
    def model(self) -> Any:
        from transformers import AutoModel

        try:
            model, report = AutoModel.from_pretrained(
                self.located.folder,
                trust_remote_code=True,
                dtype=self.dtype,
                output_loading_info=True,
            )
        except Exception as error:
            raise load_error(self.located.folder, error) from error
        if missing := sorted(report.get("missing_keys", ())):
            raise UserError(
                f"{self.located.name} lacks weights: {', '.join(missing[:3])}",
                "the checkpoint does not suit its code; fetch the model again",
            )
        for name in ("get_text_features", "get_image_features"):
            if not hasattr(model, name):
                raise UserError(
                    f"{self.located.name} has no {name}",
                    "it is not a dual encoder of the usual kind",
                )
        return model.eval().requires_grad_(False).to(self.device)

    @cached_property
    def tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        try:
            tokenizer = AutoTokenizer.from_pretrained(self.located.folder, trust_remote_code=True)
        except Exception as error:
            raise load_error(self.located.folder, error) from error
        size = getattr(self.model.config.text_config, "vocab_size", None)
        check_vocabulary(tokenizer, int(size or len(tokenizer)), self.located.folder)
        return tokenizer

    @cached_property
    def processor(self) -> Any:
        from transformers import AutoImageProcessor

        try:
            return AutoImageProcessor.from_pretrained(self.located.folder, trust_remote_code=True)
        except Exception as error:
            raise load_error(self.located.folder, error) from error

    @cached_property
    def text(self) -> RemoteText:
        return RemoteText(self)

    def load_items(self) -> None:
        self.processor  # noqa: B018

    def prepare(self, item: Any, *, allow_urls: bool = False, **_: Any) -> Any:
        """Any form ``rgb_image`` takes -> pixels."""
        image = rgb_image(item, allow_urls=allow_urls)
        return self.processor(images=[image], return_tensors="pt")["pixel_values"]

    def forward(self, batch: list[Any]) -> Any:
        import torch

        pixels = torch.cat(batch).to(self.device, self.dtype)
        with torch.inference_mode():
            output = self.model.get_image_features(pixel_values=pixels)
        return getattr(output, "pooler_output", output)
