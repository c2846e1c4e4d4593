"""Language models that hear: Qwen2-Audio and Granite Speech, the open kin of SALMONN.

An encoder, an adaptor, and the layers of a language model, which reads texts and the adaptor's
output alike, without a prompt. For ``m2m analyze`` in the first place: nothing pulls the means of
text and speech together.
"""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import Any

from m2m_adapters.models import Located, load_tokenizer, read_config
from m2m_speech.hearing import Hears
from m2m_speech.parts import load_part
from m2m_speech.reading import Reads


class SpeechLanguageModel(Hears, Reads):
    """Texts and speech through the layers of one language model; the mean over positions."""

    def __init__(self, located: Located, *, device: Any, precision: str) -> None:
        from transformers import AutoConfig

        self.prepare_to_hear(located, device=device, precision=precision)
        read_config(located.folder)
        config = AutoConfig.from_pretrained(located.folder, local_files_only=True).text_config
        self.dim = int(config.hidden_size)
        self.tokenizer = load_tokenizer(located.folder, int(config.vocab_size))
        self.max_tokens = min(
            int(config.max_position_embeddings), int(self.tokenizer.model_max_length)
        )

    @abstractmethod
    def whole_class(self) -> Any:
        """The class of transformers that holds all parts."""

    @cached_property
    def whole(self) -> Any:
        """Encoder, adaptor and language model; the head that predicts words is dropped."""
        made_of = self.whole_class()
        return load_part(made_of, self.located.folder, self.dtype).model.to(self.device)

    @property
    def model(self) -> Any:  # type: ignore[override]
        return self.whole.language_model

    def load_speech(self) -> None:
        super().load_speech()
        self.whole  # noqa: B018

    @abstractmethod
    def adapted(self, features: dict[str, Any]) -> tuple[list[Any], Any]:
        """Features of one sound -> the encoder's layers, and what the adaptor makes of it."""

    def states(self, features: dict[str, Any]) -> Any:
        return self.model(inputs_embeds=self.adapted(features)[1]).last_hidden_state

    def speech_layers(self, features: dict[str, Any]) -> list[Any]:
        """The encoder's layers, then the adaptor's output and each layer it goes through."""
        layers, adapted = self.adapted(features)
        out = self.model(inputs_embeds=adapted, output_hidden_states=True)
        return [*layers, *out.hidden_states]


class Qwen2Audio(SpeechLanguageModel):
    """A Whisper-like encoder that reads 30 seconds; what is silence behind the sound is masked."""

    max_seconds = 30.0

    def whole_class(self) -> Any:
        from transformers import Qwen2AudioForConditionalGeneration

        return Qwen2AudioForConditionalGeneration

    def extract(self, samples: Any, rate: int) -> dict[str, Any]:
        return dict(self.extractor(
            samples, sampling_rate=rate, return_tensors="pt", return_attention_mask=True,
            padding="max_length",
        ))  # fmt: skip

    def adapted(self, features: dict[str, Any]) -> tuple[list[Any], Any]:
        import torch
        from transformers.masking_utils import create_bidirectional_mask

        tower, mel = self.whole.audio_tower, features["input_features"]
        inside, outside = tower._get_feat_extract_output_lengths(features["attention_mask"].sum(-1))
        places = torch.arange((mel.shape[-1] - 2) // 2 + 1, device=mel.device)[None]
        mask = create_bidirectional_mask(
            config=tower.config,
            inputs_embeds=mel.new_zeros(1, places.shape[1], 1),
            attention_mask=(places < inside[:, None]).long(),
        )
        out = tower(mel, attention_mask=mask, output_hidden_states=True)
        # The last of them is shorter: two frames are averaged behind the last layer.
        *frames, final = out.hidden_states
        layers = [layer[:, : int(inside)] for layer in frames] + [final[:, : int(outside)]]
        adapted = self.whole.multi_modal_projector(out.last_hidden_state)
        return layers, adapted[:, : int(outside)]


class GraniteSpeech(SpeechLanguageModel):
    """A conformer, a query transformer that shortens, and Granite. Needs torchaudio for sounds."""

    def whole_class(self) -> Any:
        from transformers import GraniteSpeechForConditionalGeneration

        return GraniteSpeechForConditionalGeneration

    def extract(self, samples: Any, rate: int) -> dict[str, Any]:
        return {"input_features": self.extractor(samples)["input_features"]}

    def adapted(self, features: dict[str, Any]) -> tuple[list[Any], Any]:
        out = self.whole.encoder(features["input_features"], output_hidden_states=True)
        return list(out.hidden_states), self.whole.projector(out.last_hidden_state)
