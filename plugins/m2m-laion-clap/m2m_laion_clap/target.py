"""An original laion-clap checkpoint as a target: deterministic, long sounds in windows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from m2m_adapters.devices import choose_device, choose_dtype
from m2m_adapters.interfaces import ModalityModel, TextEncoder, Vectors, normalize
from m2m_adapters.items import Skipped, encode_ready
from m2m_adapters.sounds import mono_samples, window_starts
from m2m_laion_clap import sound
from m2m_laion_clap.checkpoint import Checkpoint, read
from m2m_laion_clap.text import LaionText, projection


def load(model: str, *, device: str = "auto", precision: str = "fp32") -> LaionClap:
    """The checkpoint file ``model`` (``.pt``)."""
    return LaionClap(read(model), device=device, precision=precision)


class LaionClap(ModalityModel):
    """Text and sound in one space. Each tower is loaded when it is first needed."""

    modality = "audio"

    def __init__(self, checkpoint: Checkpoint, *, device: str, precision: str) -> None:
        self.checkpoint = checkpoint
        self.device = choose_device(device)
        self.precision = precision
        self.dtype = choose_dtype(precision)

    @cached_property
    def text(self) -> TextEncoder:  # type: ignore[override]
        return LaionText(self.checkpoint, self.device, self.dtype, self.precision)

    @cached_property
    def _sounds(self) -> tuple[Any, Any]:
        """(audio tower, its projection). The tower stays fp32: its spectrogram needs it."""
        tower = sound.audio_branch(self.checkpoint).to(self.device)
        return tower, projection(self.checkpoint, "audio_projection.").to(self.device)

    @cached_property
    def _told(self) -> dict[str, Any]:
        return sound.settings(self.checkpoint.size)

    def _windows(self, item: Any) -> Any:
        """float32 ``[windows, samples]`` of any sound; the package itself crops at random."""
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
            found = tower(inputs, mixup_lambda=None, device=self.device)["embedding"]
            return torch.nn.functional.normalize(project(found), dim=-1)

    def encode_items(
        self,
        items: Sequence[Any],
        *,
        batch_size: int = 8,
        on_error: str = "raise",
        skipped: list[Skipped] | None = None,
        workers: int = 4,
        progress: Any = None,
        **_: Any,
    ) -> Vectors:
        """float32 ``[n, dim]``, rows of length 1, of sounds in any form ``mono_samples`` takes.

        A sound longer than the model hears (10 s) is the mean of its windows' vectors.
        on_error: ``"skip"`` leaves bad sounds out and appends each to ``skipped``.
        """
        import torch

        def forward(batch: list[Any]) -> Any:
            waves = torch.cat(batch)
            vectors = torch.cat([self._forward(some) for some in waves.split(batch_size)])
            return torch.stack([v.mean(0) for v in vectors.split([len(one) for one in batch])])

        return normalize(
            encode_ready(
                items,
                self._windows,
                forward,
                self.text.dim,
                batch_size=batch_size,
                on_error=on_error,
                skipped=skipped,
                workers=workers,
                progress=progress,
            )
        )
