"""An original laion-clap checkpoint as a target: deterministic, long sounds in windows."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from m2m_adapters.interfaces import TextEncoder
from m2m_adapters.models import (
    ItemTarget,
    choose_device,
    choose_dtype,
    choose_precision,
    mono_samples,
    window_starts,
)
from m2m_laion_clap import sound
from m2m_laion_clap.checkpoint import Checkpoint, read
from m2m_laion_clap.text import LaionText, projection


def load(model: str, *, device: str = "auto", precision: str = "fp32") -> LaionClap:
    """The checkpoint file ``model`` (``.pt``)."""
    return LaionClap(read(model), device=device, precision=precision)


class LaionClap(ItemTarget):
    """Text and sound in one space. Each tower is loaded when it is first needed."""

    modality = "audio"
    batch_size = 8

    def __init__(self, checkpoint: Checkpoint, *, device: str, precision: str) -> None:
        self.checkpoint = checkpoint
        self.device = choose_device(device)
        self.precision = choose_precision(precision, self.device)
        self.dtype = choose_dtype(self.precision)

    @cached_property
    def text(self) -> TextEncoder:
        return LaionText(self.checkpoint, self.device, self.dtype, self.precision)

    @cached_property
    def _sounds(self) -> tuple[Any, Any]:
        """(audio tower, its projection). The tower stays fp32: its spectrogram needs it."""
        tower = sound.audio_branch(self.checkpoint).to(self.device)
        return tower, projection(self.checkpoint, "audio_projection.").to(self.device)

    @cached_property
    def _told(self) -> dict[str, Any]:
        return sound.settings(self.checkpoint.size)

    def load_items(self) -> None:
        self._told  # noqa: B018

    def prepare(self, item: Any, **_: Any) -> Any:
        """Any form ``mono_samples`` takes -> float32 ``[windows, samples]``.

        The package itself crops long sounds at random.
        """
        import torch

        length = int(self._told["clip_samples"])
        samples = mono_samples(item, int(self._told["sample_rate"]))
        starts = window_starts(len(samples), length)
        return torch.stack([sound.window(samples[s : s + length], length) for s in starts])

    def _forward(self, waves: Any) -> Any:
        """``[w, samples]`` -> ``[w, dim]``, rows of length 1."""
        import torch

        tower, project = self._sounds
        inputs = {"waveform": waves.to(self.device), "longer": torch.zeros(len(waves), 1).bool()}
        if self.checkpoint.fused:
            mel = sound.log_mel(waves, self._told)
            inputs["mel_fusion"] = torch.stack([mel] * 4, dim=1)
        with torch.inference_mode():
            embedding = tower(inputs, mixup_lambda=None, device=self.device)["embedding"]
            return torch.nn.functional.normalize(project(embedding), dim=-1)

    def forward(self, batch: list[Any]) -> Any:
        """A sound longer than the model hears (10 s) is the mean of its windows' vectors."""
        import torch

        waves = torch.cat(batch).split(len(batch))
        vectors = torch.cat([self._forward(part) for part in waves])
        return torch.stack([v.mean(0) for v in vectors.split([len(one) for one in batch])])
