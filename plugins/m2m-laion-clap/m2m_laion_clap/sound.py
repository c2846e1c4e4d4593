"""The audio tower: the package's HTSAT, without what the package does when it is imported.

``import laion_clap`` builds three tokenizers of the hub (near-empty ones where there is no
network), changes ``sys.path`` for good and wants wandb. The tower lies in its subpackage
``clap_module``, which does none of that.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from m2m_adapters.errors import UserError
from m2m_adapters.models import Samples, load_error
from m2m_laion_clap.checkpoint import Checkpoint


def package() -> Path:
    """The folder of laion-clap, found without importing it."""
    spec = importlib.util.find_spec("laion_clap")
    if spec is None or spec.origin is None:
        raise UserError(
            "encoding sounds needs the Python package 'laion-clap'",
            'pip install "m2m-adapters[laion-clap]", in an environment of its own: it asks for '
            "numpy<2",
        )
    return Path(spec.origin).parent


def clap_module(name: str) -> Any:
    """``clap_module.NAME`` of the package; ``sys.path`` is left as it was."""
    folder = str(package())
    before = list(sys.path)
    sys.path.append(folder)
    try:
        return importlib.import_module(f"clap_module.{name}")
    except Exception as error:
        raise UserError(
            f"laion-clap cannot be imported ({type(error).__name__}: {error})"[:300],
            "run `m2m doctor`; it needs numpy<2 and pyarrow<26",
        ) from error
    finally:
        sys.path[:] = before


def settings(size: str) -> dict[str, Any]:
    """The package's ``audio_cfg`` of HTSAT-``size``: rate, window, mel bands."""
    file = package() / "clap_module" / "model_configs" / f"HTSAT-{size}.json"
    audio: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))["audio_cfg"]
    return audio


def audio_branch(checkpoint: Checkpoint) -> Any:
    """HTSAT with the checkpoint's weights, every one of them."""
    audio = clap_module("model").CLAPAudioCfp(**settings(checkpoint.size))
    build = clap_module("htsat").create_htsat_model
    try:
        branch = build(audio, checkpoint.fused, "aff_2d" if checkpoint.fused else "None")
        branch.load_state_dict(checkpoint.part("audio_branch."), strict=True)
    except Exception as error:
        raise load_error(checkpoint.located.name, error) from error
    return branch.eval().requires_grad_(False)


def window(samples: Samples, length: int) -> Any:
    """float32 ``[length]``: 16-bit steps and whole repeats with zeros behind, as in training."""
    import torch

    steps = (np.clip(samples, -1, 1) * 32767).astype(np.int16)
    wave = torch.from_numpy((steps / 32767).astype(np.float32))
    if len(wave) < length:
        wave = wave.repeat(length // len(wave))
    return torch.nn.functional.pad(wave, (0, length - len(wave)))


def log_mel(waves: Any, audio: dict[str, Any]) -> Any:
    """``[b, samples]`` -> ``[b, frames, mel bands]`` in decibels: what fused towers are given."""
    import torch
    from librosa.filters import mel

    size = audio["window_size"]
    bands = mel(
        sr=audio["sample_rate"], n_fft=size, n_mels=audio["mel_bins"], fmin=audio["fmin"],
        fmax=audio["fmax"], htk=True, norm=None,
    )  # fmt: skip
    spectrum = torch.stft(
        waves, size, audio["hop_size"], size, torch.hann_window(size), center=True,
        pad_mode="reflect", return_complex=True,
    ).abs()  # fmt: skip
    power = torch.from_numpy(bands) @ spectrum**2
    return (10 * power.clamp(min=1e-10).log10()).transpose(1, 2)
