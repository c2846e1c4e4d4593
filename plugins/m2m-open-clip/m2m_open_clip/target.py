"""open_clip's models as targets: one tower at a time, its own tokenizer and preprocessing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property
from typing import Any

from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import ModalityModel, TextEncoder
from m2m_adapters.models import (
    ItemTarget,
    TokenEncoder,
    at_precision,
    check_vocabulary,
    choose_device,
    choose_dtype,
    choose_precision,
    locate,
    rgb_image,
)
from m2m_open_clip.checkpoint import Checkpoint, find, image_tower, text_tower


def load(
    model: str,
    *,
    revision: str | None = None,
    device: str = "auto",
    precision: str = "fp32",
    trust_remote_code: bool = False,
) -> ModalityModel:
    """The open_clip model ``ARCH/TAG``, ``hf-hub:ORG/MODEL`` or ``local-dir:FOLDER``."""
    return OpenClip(find(model, revision), device=device, precision=precision)


class OpenClip(ItemTarget):
    """Text and images in one space. Each tower is loaded when it is first needed."""

    modality = "image"

    def __init__(self, checkpoint: Checkpoint, *, device: str, precision: str) -> None:
        self.checkpoint = checkpoint
        self.device = choose_device(device)
        self.precision = choose_precision(precision, self.device)
        self.dtype = choose_dtype(self.precision)

    @cached_property
    def text(self) -> TextEncoder:
        return OpenClipText(self.checkpoint, self.device, self.dtype, self.precision)

    @cached_property
    def _images(self) -> tuple[Any, Any]:
        """(image tower, its transform)."""
        from open_clip.transform import PreprocessCfg, image_transform_v2, merge_preprocess_dict

        tower = image_tower(self.checkpoint)
        settings = merge_preprocess_dict(asdict(PreprocessCfg()), self.checkpoint.preprocess)
        if getattr(tower, "image_size", None) is not None:
            settings["size"] = tower.image_size
        transform = image_transform_v2(PreprocessCfg(**settings), is_train=False)
        return tower.to(self.device, self.dtype), transform

    def load_items(self) -> None:
        self._images  # noqa: B018

    def prepare(self, item: Any, *, allow_urls: bool = False, **_: Any) -> Any:
        """Any form ``rgb_image`` takes -> pixels."""
        return self._images[1](rgb_image(item, allow_urls=allow_urls))

    def forward(self, batch: list[Any]) -> Any:
        import torch

        with torch.inference_mode():
            return _pooled(self._images[0](torch.stack(batch).to(self.device, self.dtype)))


class OpenClipText(TokenEncoder):
    """The text tower with the tokenizer that open_clip chooses for it."""

    def __init__(self, checkpoint: Checkpoint, device: Any, dtype: Any, precision: str) -> None:
        self.checkpoint = checkpoint
        self.device = device
        self.tokenizer = tokenizer_of(checkpoint)
        self.model = text_tower(checkpoint).to(device, dtype)
        self.dim = int(checkpoint.config["embed_dim"])
        self.max_tokens = int(self.tokenizer.context_length)
        inner = f"open-clip:{checkpoint.located.fingerprint}:normalized"
        self.fingerprint = at_precision(inner, precision)
        # Behind the end of a text a causal tower looks at nothing: padding there is wasted work.
        pooled_at_end = getattr(self.model, "pool_type", None) in ("argmax", "eos")
        causal = getattr(self.model, "attn_mask", None) is not None
        plain = getattr(self.model, "cls_emb", None) is None
        self._mask = self.model.attn_mask if pooled_at_end and causal and plain else None

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        rows = self.tokenizer(list(texts)).tolist()
        if self._mask is None:
            return rows  # type: ignore[no-any-return]
        # The end-of-text token is the largest of a row.
        return [row[: row.index(max(row)) + 1] for row in rows]

    def collate(self, tokens: list[list[int]]) -> dict[str, Any]:
        import torch

        longest = max(len(row) for row in tokens)
        return {"ids": torch.tensor([row + [0] * (longest - len(row)) for row in tokens])}

    def forward(self, batch: dict[str, Any]) -> Any:
        if self._mask is not None:
            length = batch["ids"].shape[1]
            self.model.attn_mask = self._mask[:length, :length]
        return _pooled(self.model(batch["ids"]))

    @property
    def provenance(self) -> dict[str, Any]:
        return self.checkpoint.located.provenance


def _pooled(output: Any) -> Any:
    """The vectors; towers of CoCa give (vectors, tokens)."""
    return output[0] if isinstance(output, tuple) else output


def tokenizer_of(checkpoint: Checkpoint) -> Any:
    """open_clip's tokenizer; one of transformers is looked for beside the weights first."""
    import open_clip

    text = checkpoint.config["text_cfg"]
    name = text.get("hf_tokenizer_name")
    if not name:
        if checkpoint.architecture is not None:
            return open_clip.get_tokenizer(checkpoint.architecture)
        length = text.get("context_length", open_clip.tokenizer.DEFAULT_CONTEXT_LENGTH)
        return open_clip.SimpleTokenizer(context_length=length, **text.get("tokenizer_kwargs", {}))
    folder = checkpoint.located.folder
    if not any((folder / file).is_file() for file in ("tokenizer.json", "tokenizer_config.json")):
        if checkpoint.located.revision is None and checkpoint.architecture is None:
            raise UserError(
                f"{checkpoint.located.name} has no tokenizer files", "put them into the folder"
            )
        folder = locate(name, scheme="open-clip:local-dir").folder
    try:
        tokenizer = open_clip.tokenizer.HFTokenizer(
            str(folder),
            context_length=text.get("context_length", open_clip.tokenizer.DEFAULT_CONTEXT_LENGTH),
            tokenizer_mode=text.get("tokenizer_mode"),
            **text.get("tokenizer_kwargs", {}),
        )
    except Exception as error:
        raise UserError(
            f"{folder} has no usable tokenizer ({' '.join(str(error).split())[:160]})",
            "fetch the model again with its tokenizer files",
        ) from error
    if "vocab_size" in text:
        check_vocabulary(tokenizer.tokenizer, int(text["vocab_size"]), folder)
    return tokenizer
