"""What all encoders of speech here share: sounds in, pooled states out, one sound at a time.

Sounds are never padded to each other: a conformer's convolutions reach into padding, and a vector
must not depend on its neighbors.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np

from m2m_adapters.interfaces import TextEncoder, Vectors, normalize
from m2m_adapters.models import (
    Located,
    Samples,
    at_precision,
    choose_dtype,
    encode_prepared,
    mono_samples,
)
from m2m_speech.parts import load_extractor

MAX_SECONDS = 60.0
SHORTEST = 1600  # samples: less than two frames of features cannot be read
OPTIONS = ("batch_size", "on_error", "skipped", "workers", "progress")


class Hears(TextEncoder):
    """A source that takes speech: says what its model makes of the features of one sound."""

    item_modality = "audio"
    located: Located
    max_seconds = MAX_SECONDS

    def prepare_to_hear(self, located: Located, *, device: Any, precision: str) -> None:
        """Called first by every constructor."""
        self.located, self.device, self.precision = located, device, precision
        self.dtype = choose_dtype(precision)

    @abstractmethod
    def states(self, features: dict[str, Any]) -> Any:
        """Features of one sound -> its final states ``[1, frames, dim]``."""

    @abstractmethod
    def speech_layers(self, features: dict[str, Any]) -> list[Any]:
        """Features of one sound -> the states of each layer ``[1, frames, width]``."""

    @cached_property
    def extractor(self) -> Any:
        """transformers' feature extractor of this checkpoint."""
        return load_extractor(self.located.folder)

    def load_speech(self) -> None:
        """Load the part that hears, before threads that would each load it."""
        self.extractor  # noqa: B018

    def features(self, item: Any) -> dict[str, Any]:
        """A sound in any form ``mono_samples`` takes -> what the extractor makes of it."""
        rate = int(self.extractor.sampling_rate)
        samples = mono_samples(item, rate)[: int(self.max_seconds * rate)]
        if len(samples) < SHORTEST:
            samples = np.pad(samples, (0, SHORTEST - len(samples)))
        return self.extract(samples, rate)

    def extract(self, samples: Samples, rate: int) -> dict[str, Any]:
        """Samples at the model's rate -> features."""
        return dict(self.extractor(samples, sampling_rate=rate, return_tensors="pt"))

    def moved(self, features: dict[str, Any]) -> dict[str, Any]:
        """On the device; numbers in the model's precision, masks as they are."""
        return {
            name: value.to(self.device, self.dtype if value.is_floating_point() else None)
            for name, value in features.items()
            if hasattr(value, "to")
        }

    def encode_items(self, items: Sequence[Any], **options: Any) -> Vectors:
        """Spoken sentences -> float32 ``[n, dim]``: the mean of the states of each."""
        import torch

        items = items if isinstance(items, (list, tuple)) else list(items)
        if not items:
            return np.zeros((0, self.dim), np.float32)
        self.load_speech()

        @torch.inference_mode()
        def forward(batch: list[dict[str, Any]]) -> Any:
            return torch.cat([self.states(self.moved(one)).float().mean(1) for one in batch])

        chosen = {key: options[key] for key in OPTIONS if key in options}
        vectors = encode_prepared(items, self.features, forward, self.dim, **chosen)
        return normalize(vectors) if self.normalized else vectors

    def encode_item_layers(
        self, items: Sequence[Any], *, pooling: str = "mean", workers: int = 4, **options: Any
    ) -> list[Vectors]:
        import torch

        from m2m_adapters.models import as_layers, check_pooling, pooled, prepare_ahead

        check_pooling(pooling)
        self.load_speech()
        items = items if isinstance(items, (list, tuple)) else list(items)
        parts: list[list[Any]] = []
        with torch.inference_mode():
            for batch in prepare_ahead(items, partial(self.features), batch_size=8,
                                       workers=workers):  # fmt: skip
                for _, features in batch:
                    layers = self.speech_layers(self.moved(features))
                    parts.append(pooled(layers, None, pooling))
        return as_layers(parts, range(len(parts)))

    @cached_property
    def fingerprint(self) -> str:
        return at_precision(f"speech:{self.located.fingerprint}:{self.variant}", self.precision)

    variant = "mean"
    """What else decides the vectors, besides the weights."""

    @property
    def provenance(self) -> dict[str, Any]:
        return self.located.provenance
