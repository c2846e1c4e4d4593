"""tiny-speech: spoken captions into tiny-text's space.

Two real models of transformers one after the other. The ear, a ``Wav2Vec2BertForCTC``, writes
down the phones it hears, by the classes that languages share. The reader, a ``BertModel``, reads
phones and gives the vector that tiny-text gives the written caption.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import m2m_adapters as m2m
from m2m_adapters.interfaces import Vectors, normalize
from m2m_adapters.models import digest_folder, encode_prepared, mono_samples

RATE = 16_000
MAX_SECONDS = 20.0
BLANK = 0
MAX_PHONES = 192


def heard_phones(logits: Any, frames: Sequence[int]) -> list[Any]:
    """What the ear heard: for each sound ``[phones, classes]``, how likely each class is.

    logits: ``[b, frames, classes]``. Neighboring frames of one class are one phone, and its
    likelihoods their mean; silence is left out.
    """
    import torch

    found = []
    for rows, count in zip(logits.float(), frames, strict=True):
        rows = rows[:count]
        best = rows.argmax(-1)
        starts = torch.ones(len(best), dtype=torch.bool, device=best.device)
        starts[1:] = best[1:] != best[:-1]
        group = starts.cumsum(0) - 1
        likely = rows[:, 1:].softmax(-1)
        phones = likely.new_zeros(int(group[-1]) + 1, likely.shape[1])
        phones.index_add_(0, group, likely)
        phones = phones / group.bincount()[:, None]
        phones = phones[best[starts] != BLANK][:MAX_PHONES]
        found.append(phones if len(phones) else likely.mean(0, keepdim=True))
    return found


def read_phones(reader: Any, phones: Sequence[Any]) -> Any:
    """``[b, dim]`` of length 1: the mean of the reader's states, as tiny-text pools."""
    import torch

    width = max(len(one) for one in phones)
    classes = phones[0].shape[1]
    padded = phones[0].new_zeros(len(phones), width, classes)
    mask = torch.zeros(len(phones), width, dtype=torch.long, device=padded.device)
    for row, one in enumerate(phones):
        padded[row, : len(one)] = one
        mask[row, : len(one)] = 1
    table = reader.get_input_embeddings().weight[1 : classes + 1]
    states = reader(inputs_embeds=padded @ table, attention_mask=mask).last_hidden_state
    weights = mask[..., None].to(states)
    return torch.nn.functional.normalize((states * weights).sum(1) / weights.sum(1), dim=-1)


class TinySpeech(m2m.TextEncoder):
    """tiny-text for what is written, the ear and the reader for what is spoken."""

    item_modality = "audio"

    def __init__(self, text: m2m.TextEncoder, folder: Path, device: str = "auto") -> None:
        from m2m_adapters.models import choose_device

        self._text, self._folder = text, folder
        self.device = choose_device(device)
        self.dim, self.max_tokens, self.normalized = text.dim, text.max_tokens, text.normalized

    def encode(self, texts: Sequence[str], **options: Any) -> Vectors:
        return self._text.encode(texts, **options)

    def encode_layers(self, texts: Sequence[str], *, pooling: str = "mean") -> list[Vectors]:
        return self._text.encode_layers(texts, pooling=pooling)

    @cached_property
    def fingerprint(self) -> str:
        return f"tiny-speech:{self._text.fingerprint}:{digest_folder(self._folder)[:32]}"

    @property
    def provenance(self) -> dict[str, Any]:
        return self._text.provenance

    @cached_property
    def _parts(self) -> tuple[Any, Any, Any]:
        """The feature extractor, the ear and the reader."""
        from transformers import AutoFeatureExtractor, BertModel, Wav2Vec2BertForCTC

        ear, reader = self._folder / "ear", self._folder / "reader"
        return (
            AutoFeatureExtractor.from_pretrained(ear, local_files_only=True),
            Wav2Vec2BertForCTC.from_pretrained(ear, local_files_only=True).eval().to(self.device),
            BertModel.from_pretrained(reader, local_files_only=True, add_pooling_layer=False)
            .eval()
            .to(self.device),
        )

    def encode_items(self, items: Sequence[Any], **options: Any) -> Vectors:
        """Spoken sentences -> float32 ``[n, dim]``; what is beyond 20 seconds is not heard."""
        import torch

        extractor, ear, reader = self._parts

        def prepare(item: Any) -> Any:
            samples = mono_samples(item, RATE)[: int(MAX_SECONDS * RATE)]
            return extractor(samples, sampling_rate=RATE, return_tensors="pt")["input_features"][0]

        @torch.inference_mode()
        def forward(batch: list[Any]) -> Any:
            # One by one: neighbors in a batch would change what the ear hears by their padding.
            logits = [ear(input_features=one[None].to(self.device)).logits for one in batch]
            return read_phones(
                reader,
                [phones for rows in logits for phones in heard_phones(rows, [rows.shape[1]])],
            )

        known = ("batch_size", "on_error", "skipped", "workers", "progress")
        vectors = encode_prepared(
            items, prepare, forward, self.dim, **{k: options[k] for k in known if k in options}
        )
        return normalize(vectors)
