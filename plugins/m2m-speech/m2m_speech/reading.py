"""What all encoders of text here share: a tokenizer, an encoder, the mean over tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from m2m_adapters.models import TokenEncoder, pad_tokens

if TYPE_CHECKING:
    import torch


class Reads(TokenEncoder):
    """Texts through ``tokenizer`` and ``model``; the mean of its states over tokens.

    language: the tokenizer's tag of the texts (``eng``, ``deu_Latn``); the model was trained with
        it. None leaves the tokenizer's own, which is English.
    """

    tokenizer: Any
    model: Any
    language: str | None = None

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        if self.language is not None:
            self.tokenizer.src_lang = self.language
        read = self.tokenizer(
            list(texts), truncation=True, max_length=self.max_tokens, padding=False
        )
        return read["input_ids"]  # type: ignore[no-any-return]

    def collate(self, tokens: list[list[int]]) -> dict[str, torch.Tensor]:
        batch = pad_tokens(tokens, self.tokenizer)
        return {"input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"]}

    def forward(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        states = self.model(**batch).last_hidden_state
        weights = batch["attention_mask"][..., None].to(states.dtype)
        return (states * weights).sum(1) / weights.sum(1)  # type: ignore[no-any-return]

    def layer_states(self, batch: dict[str, torch.Tensor]) -> Sequence[torch.Tensor]:
        return self.model(**batch, output_hidden_states=True).hidden_states  # type: ignore[no-any-return]
