"""The embedded models, loaded by the very plugins that load hub models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import m2m_adapters as m2m

MODELS = Path(__file__).parent / "models"
PAINTING = {"size": 40, "steps": 12, "guidance": 2.0}
PAINTERS: dict[str, dict[str, Any]] = {  # how each paints if nothing else is asked for
    "tiny-flux": PAINTING,
    "tiny-sd": PAINTING,
    "tiny-pixart": {**PAINTING, "use_resolution_binning": False},
    "tiny-video": {**PAINTING, "num_frames": 8},
}


def tiny_text(**options: Any) -> m2m.TextEncoder:
    """``SentenceTransformer(folder)`` behind the scenes."""
    return m2m.load_source(f"st:{MODELS / 'tiny-text'}", **options)


def tiny_speech(*, device: str = "auto", **options: Any) -> m2m.TextEncoder:
    """tiny-text for texts; ``Wav2Vec2BertForCTC`` and a lexicon for speech."""
    from m2m_tiny.hearing import TinySpeech

    return TinySpeech(tiny_text(device=device, **options), MODELS / "tiny-speech", device)


def tiny_clip(**options: Any) -> m2m.ModalityModel:
    """``CLIPModel.from_pretrained(folder)`` behind the scenes."""
    return m2m.load_target(f"clip:{MODELS / 'tiny-clip'}", **options)


def tiny_open_clip(**options: Any) -> m2m.ModalityModel:
    """open_clip's ``local-dir:`` behind the scenes."""
    return m2m.load_target(f"open-clip:local-dir:{MODELS / 'tiny-open-clip'}", **options)


def tiny_flux(**options: Any) -> m2m.ModalityModel:
    """``FluxPipeline.from_pretrained(folder)`` behind the scenes."""
    return painter("tiny-flux", **options)


def tiny_sd(**options: Any) -> m2m.ModalityModel:
    """``StableDiffusionPipeline.from_pretrained(folder)`` behind the scenes."""
    return painter("tiny-sd", **options)


def tiny_pixart(**options: Any) -> m2m.ModalityModel:
    """``PixArtAlphaPipeline.from_pretrained(folder)`` behind the scenes."""
    return painter("tiny-pixart", **options)


def tiny_video(**options: Any) -> m2m.ModalityModel:
    """``AnimateDiffPipeline.from_pretrained(folder)`` behind the scenes."""
    return painter("tiny-video", **options)


def painter(name: str, folder: Path | None = None, **options: Any) -> m2m.ModalityModel:
    """A painter with its defaults, embedded or of another folder."""
    return m2m.load_target(
        f"diffusion:{(folder or MODELS) / name}", defaults=PAINTERS[name], **options
    )


def tiny_clap(**options: Any) -> m2m.ModalityModel:
    """``ClapModel.from_pretrained(folder)`` behind the scenes."""
    return m2m.load_target(f"clap:{MODELS / 'tiny-clap'}", **options)
