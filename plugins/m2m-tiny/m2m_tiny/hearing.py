"""tiny-speech: spoken captions into tiny-text's space.

The ear, a ``Wav2Vec2BertForCTC``, writes down the phones it hears, by the classes that languages
share. The likeliest words for them (words.py) are read by tiny-text, as if they had been written.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

import m2m_adapters as m2m
from m2m_adapters.interfaces import (
    Vectors,
    at_precision,
    precision_of,
    without_precision,
)
from m2m_adapters.models import choose_device, digest_folder, encode_prepared, mono_samples
from m2m_tiny.words import Lexicon, read_lexicons, recognized

RATE = 16_000
MAX_SECONDS = 20.0
SHORTEST = 1600  # samples: less than two frames cannot be heard
BLANK = 0
MAX_PHONES = 192
OPTIONS = ("batch_size", "on_error", "skipped", "workers", "progress")


def heard_phones(logits: Any, frames: Sequence[int]) -> list[Any]:
    """What the ear heard: for each sound ``[phones, classes]``, how likely each class is.

    logits: ``[b, frames, classes]``. Neighboring frames of one class are one phone, and its
    likelihoods their mean; silence is left out.
    """
    import torch

    heard = []
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
        heard.append(phones if len(phones) else likely.mean(0, keepdim=True))
    return heard


class TinySpeech(m2m.TextEncoder):
    """tiny-text for what is written, the ear and its words for what is spoken."""

    item_modality = "audio"

    def __init__(self, text: m2m.TextEncoder, folder: Path, device: str = "auto") -> None:
        self._text, self._folder = text, folder
        self.device = choose_device(device)
        self.dim, self.max_tokens, self.normalized = text.dim, text.max_tokens, text.normalized

    def encode(self, texts: Sequence[str], **options: Any) -> Vectors:
        return self._text.encode(texts, **options)

    def encode_layers(self, texts: Sequence[str], *, pooling: str = "mean") -> list[Vectors]:
        return self._text.encode_layers(texts, pooling=pooling)

    @cached_property
    def fingerprint(self) -> str:
        of_text = self._text.fingerprint
        weights = digest_folder(self._folder)[:32]
        return at_precision(
            f"tiny-speech:{weights}:{without_precision(of_text)}", precision_of(of_text)
        )

    @property
    def provenance(self) -> dict[str, Any]:
        return self._text.provenance

    @cached_property
    def _parts(self) -> tuple[Any, Any]:
        """The feature extractor and the ear."""
        from transformers import AutoFeatureExtractor, Wav2Vec2BertForCTC

        folder = self._folder / "ear"
        ear = Wav2Vec2BertForCTC.from_pretrained(folder, local_files_only=True)
        extractor = AutoFeatureExtractor.from_pretrained(folder, local_files_only=True)
        return extractor, ear.eval().to(self.device)

    @cached_property
    def _lexicons(self) -> dict[str, Lexicon]:
        return read_lexicons(self._folder / "words.json")

    def _features(self, item: Any) -> Any:
        """A sound -> log-mel features ``[frames, 160]``."""
        samples = mono_samples(item, RATE)[: int(MAX_SECONDS * RATE)]
        if len(samples) < SHORTEST:
            samples = np.pad(samples, (0, SHORTEST - len(samples)))
        return self._parts[0](samples, sampling_rate=RATE, return_tensors="pt")["input_features"][0]

    def transcribe(self, items: Sequence[Any], **options: Any) -> list[tuple[str, str]]:
        """Spoken sentences -> the (language, text) that was understood of each."""
        understood: list[tuple[str, str]] = []

        def noted(batch: list[Any]) -> Any:
            understood.extend(self._understood(features) for features in batch)
            return _no_rows(len(batch))

        self._parts, self._lexicons  # noqa: B018  before there are threads
        chosen = {key: options[key] for key in OPTIONS if key in options}
        encode_prepared(list(items), self._features, noted, 0, **chosen)
        return understood

    def _heard(self, features: Any, **options: Any) -> Any:
        """What the ear makes of the features of one sound; alone, padding would change it."""
        import torch

        with torch.inference_mode():
            return self._parts[1](input_features=features[None].to(self.device), **options)

    def _understood(self, features: Any) -> tuple[str, str]:
        logits = self._heard(features).logits
        [phones] = heard_phones(logits, [logits.shape[1]])
        return recognized(phones.cpu().numpy(), self._lexicons)

    def encode_items(self, items: Sequence[Any], **options: Any) -> Vectors:
        """Spoken sentences -> float32 ``[n, dim]``; what is beyond 20 seconds is not heard."""
        return self._text.encode([text for _, text in self.transcribe(items, **options)])

    def encode_item_layers(
        self, items: Sequence[Any], *, pooling: str = "mean", **options: Any
    ) -> list[Vectors]:
        """The ear's layers over frames, then tiny-text's over the words that were understood."""
        from m2m_adapters.models import as_layers, check_pooling, pooled

        check_pooling(pooling)
        parts, texts = [], []
        for item in items:
            features = self._features(item)
            states = list(self._heard(features, output_hidden_states=True).hidden_states)
            parts.append(pooled(states, None, pooling))
            texts.append(self._understood(features)[1])
        layers = as_layers(parts, range(len(parts)))
        return [*layers, *self._text.encode_layers(texts, pooling=pooling)]


def _no_rows(n: int) -> Any:
    import torch

    return torch.zeros(n, 0)
