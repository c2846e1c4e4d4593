"""transformers' ``ClapModel`` as a target: deterministic, long sounds in windows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import Vectors
from m2m_adapters.models import (
    ITEMS,
    DualText,
    ItemTarget,
    Located,
    Samples,
    choose_device,
    choose_dtype,
    choose_precision,
    load_error,
    load_half,
    locate,
    mono_samples,
    read_config,
    window_starts,
)


def load(
    model: str,
    *,
    revision: str | None = None,
    device: str = "auto",
    precision: str = "fp32",
    trust_remote_code: bool = False,
) -> Clap:
    """The CLAP checkpoint ``model``: an id of the hub or a folder."""
    located = locate(model, revision, scheme="clap")
    config = read_config(located.folder)
    if config.get("model_type") != "clap":
        raise UserError(
            f"{model} is a '{config.get('model_type')}' model, not CLAP",
            "give a CLAP checkpoint of transformers; .pt files are for laion-clap:FILE",
        )
    return Clap(located, device=device, precision=precision)


@dataclass(frozen=True)
class Windows:
    """The windows of one sound, in order.

    seconds: (start, end) of each. vectors: float32 ``[windows, dim]``, rows of length 1.
    """

    seconds: list[tuple[float, float]]
    vectors: Vectors


class Clap(ItemTarget):
    """Text and sound in one space. Each tower is loaded when it is first needed."""

    modality = "audio"
    batch_size = 16

    def __init__(self, located: Located, *, device: str, precision: str) -> None:
        self.located = located
        self.device = choose_device(device)
        self.precision = choose_precision(precision, self.device)
        self.dtype = choose_dtype(self.precision)

    @cached_property
    def text(self) -> DualText:
        from transformers import ClapModel

        return DualText(
            self.located,
            ClapModel,
            scheme="clap",
            device=self.device,
            dtype=self.dtype,
            precision=self.precision,
        )

    @cached_property
    def extractor(self) -> Any:
        """transformers' ``ClapFeatureExtractor`` of this checkpoint."""
        from transformers import AutoFeatureExtractor

        try:
            return AutoFeatureExtractor.from_pretrained(self.located.folder, local_files_only=True)
        except Exception as error:
            raise load_error(self.located.folder, error) from error

    @cached_property
    def _sounds(self) -> Any:
        from transformers import ClapModel

        half = load_half(ClapModel, self.located.folder, ITEMS, self.dtype)
        return half.to(self.device)

    def _cut(self, samples: Samples) -> list[int]:
        return window_starts(len(samples), int(self.extractor.nb_max_samples))

    def _features(self, samples: Samples) -> Any:
        """float32 ``[windows, channels, frames, mels]``, a spectrogram for each window.

        The extractor crops long sounds at random, so it is only ever given whole windows; a
        short one it repeats and pads as in training.
        """
        import torch

        length = int(self.extractor.nb_max_samples)
        windows = [
            self.extractor(
                samples[start : start + length],
                sampling_rate=self.extractor.sampling_rate,
                return_tensors="pt",
            )["input_features"]
            for start in self._cut(samples)
        ]
        return torch.cat(windows).float()

    def _forward(self, features: Any, batch_size: int) -> Any:
        """Spectrograms ``[w, ...]`` -> ``[w, dim]``, rows of length 1."""
        import torch

        outputs = []
        with torch.inference_mode():
            for windows in features.split(batch_size):
                # False: no window is longer than the model hears. The extractor would mark one
                # at random, and the vectors would depend on their neighbors in the batch.
                longer = torch.zeros(len(windows), 1, dtype=torch.bool, device=self.device)
                out = self._sounds.get_audio_features(
                    input_features=windows.to(self.device, self.dtype), is_longer=longer
                )
                outputs.append(getattr(out, "pooler_output", out).float())
        return torch.nn.functional.normalize(torch.cat(outputs), dim=-1)

    def load_items(self) -> None:
        self.extractor  # noqa: B018

    def prepare(self, item: Any, **_: Any) -> Any:
        """Any form ``mono_samples`` takes -> spectrograms of its windows."""
        return self._features(mono_samples(item, int(self.extractor.sampling_rate)))

    def forward(self, batch: list[Any]) -> Any:
        """A sound longer than the model hears (10 s) is the mean of its windows' vectors."""
        import torch

        vectors = self._forward(torch.cat(batch), len(batch))
        return torch.stack([v.mean(0) for v in vectors.split([len(one) for one in batch])])

    def layer_states(self, batch: list[Any]) -> list[Any]:
        import torch

        states = []
        for windows in batch:
            longer = torch.zeros(len(windows), 1, dtype=torch.bool, device=self.device)
            out = self._sounds.audio_model(
                input_features=windows.to(self.device, self.dtype),
                is_longer=longer,
                output_hidden_states=True,
            )
            states.append(list(out.hidden_states))
        return states

    def encode_windows(self, item: Any, *, batch_size: int = 16) -> Windows:
        """Each window of one sound by itself, with its times: where in it something is heard."""
        rate = int(self.extractor.sampling_rate)
        samples = mono_samples(item, rate)
        length = min(int(self.extractor.nb_max_samples), len(samples))
        seconds = [(start / rate, (start + length) / rate) for start in self._cut(samples)]
        vectors = self._forward(self._features(samples), batch_size).cpu().numpy()
        return Windows(seconds, np.asarray(vectors, dtype=np.float32))
