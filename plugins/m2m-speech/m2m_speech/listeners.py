"""Encoders that hear and do not read: Whisper's and w2v-BERT's, for ``m2m analyze``.

No text tower leads into their space, so nothing can be aligned to them or from them by text.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from m2m_adapters.errors import AbilityMissing
from m2m_adapters.interfaces import SPEECH_SOURCES, Vectors
from m2m_adapters.models import Located, Samples, read_config
from m2m_speech.hearing import Hears
from m2m_speech.parts import load_part


class Listener(Hears):
    """Speech alone; texts are refused."""

    def __init__(self, located: Located, *, device: Any, precision: str) -> None:
        self.prepare_to_hear(located, device=device, precision=precision)
        self.dim = self.width(read_config(located.folder))

    def width(self, config: dict[str, Any]) -> int:
        return int(config["hidden_size"])

    def encode_layers(self, texts: Sequence[str], *, pooling: str = "mean") -> list[Vectors]:
        return [self.encode(texts)]  # refused in the same words

    def encode(self, texts: Sequence[str], **options: Any) -> Vectors:
        raise AbilityMissing(f"{type(self).__name__} hears speech and reads no text",
                             SPEECH_SOURCES)  # fmt: skip

    @cached_property
    def encoder(self) -> Any:
        raise NotImplementedError

    def load_speech(self) -> None:
        super().load_speech()
        self.encoder  # noqa: B018


class WavBert(Listener):
    """``Wav2Vec2BertModel``: the self-supervised encoder under SeamlessM4T v2."""

    def width(self, config: dict[str, Any]) -> int:
        adapted = config.get("add_adapter", False)
        return int(config["output_hidden_size" if adapted else "hidden_size"])

    @cached_property
    def encoder(self) -> Any:
        from transformers import Wav2Vec2BertModel

        return load_part(Wav2Vec2BertModel, self.located.folder, self.dtype).to(self.device)

    def states(self, features: dict[str, Any]) -> Any:
        return self.encoder(**features).last_hidden_state

    def speech_layers(self, features: dict[str, Any]) -> list[Any]:
        return list(self.encoder(**features, output_hidden_states=True).hidden_states)


class Whisper(Listener):
    """Whisper's encoder, which always reads 30 seconds; the frames of silence are left out."""

    max_seconds = 30.0

    def width(self, config: dict[str, Any]) -> int:
        return int(config["d_model"])

    @cached_property
    def encoder(self) -> Any:
        from transformers.models.whisper.modeling_whisper import WhisperEncoder

        names = {r"^(model\.)?encoder\.": ""}
        part = load_part(WhisperEncoder, self.located.folder, self.dtype, names)
        return part.to(self.device)

    def extract(self, samples: Samples, rate: int) -> dict[str, Any]:
        import torch

        # One state for every two frames of features; how many the sound itself fills.
        filled = math.ceil(len(samples) / (2 * int(self.extractor.hop_length)))
        return {**super().extract(samples, rate), "filled": torch.tensor(filled)}

    def states(self, features: dict[str, Any]) -> Any:
        out = self.encoder(features["input_features"]).last_hidden_state
        return out[:, : int(features["filled"])]

    def speech_layers(self, features: dict[str, Any]) -> list[Any]:
        out = self.encoder(features["input_features"], output_hidden_states=True)
        return [layer[:, : int(features["filled"])] for layer in out.hidden_states]
