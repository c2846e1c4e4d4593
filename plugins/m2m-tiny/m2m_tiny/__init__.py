"""The tiny family: small models of our own that show the method offline, registered by name."""

from __future__ import annotations

from typing import Any

import m2m_adapters as m2m

M2M_INTERFACE = 1


@m2m.hookimpl
def m2m_register(register: Any) -> None:
    _register_models(register)
    _register_data(register)


def _register_models(register: Any) -> None:
    register.source(
        "tiny-text",
        "m2m_tiny.family:tiny_text",
        dim=256,
        license="apache-2.0",
        description="13 languages, sentence-transformers",
    )
    register.source(
        "tiny-speech",
        "m2m_tiny.family:tiny_speech",
        dim=256,
        license="apache-2.0",
        description="tiny-text, and speech in the same space",
    )
    register.target(
        "tiny-clip",
        "m2m_tiny.family:tiny_clip",
        modality="image",
        license="apache-2.0",
        texts="tiny-scene-captions",
        abilities="encode items",
        description="CLIP of small scenes, English only",
    )
    register.target(
        "tiny-open-clip",
        "m2m_tiny.family:tiny_open_clip",
        modality="image",
        license="apache-2.0",
        texts="tiny-scene-captions",
        abilities="encode items",
        description="open_clip of small scenes, English only",
    )
    register.target(
        "tiny-clap",
        "m2m_tiny.family:tiny_clap",
        modality="audio",
        license="apache-2.0",
        texts="tiny-sound-captions",
        abilities="encode items",
        description="CLAP of short sounds, English only",
    )
    for name, modality, what in (
        ("tiny-flux", "image", "FLUX-shaped painter of small scenes, pooled conditioning"),
        ("tiny-sd", "image", "Stable-Diffusion-shaped painter of small scenes"),
        ("tiny-pixart", "image", "PixArt-shaped painter of small scenes, T5 conditioning"),
        ("tiny-video", "video", "AnimateDiff-shaped painter of small scenes that move"),
    ):
        register.target(
            name,
            f"m2m_tiny.family:{name.replace('-', '_')}",
            modality=modality,
            license="apache-2.0",
            texts="tiny-drawable-captions",
            abilities="generate",
            description=f"{what}, English only",
        )


def _register_data(register: Any) -> None:
    register.corpus(
        "tiny-drawable-captions",
        "m2m_tiny.corpora:drawable_captions",
        description="English captions of what the tiny painters draw",
    )
    register.corpus(
        "tiny-scene-captions",
        "m2m_tiny.corpora:scene_captions",
        description="English captions of scenes, as many as asked for",
    )
    register.corpus(
        "tiny-sound-captions",
        "m2m_tiny.corpora:sound_captions",
        description="English captions of sounds, as many as asked for",
    )
    register.benchmark(
        "tiny-scenes",
        "m2m_tiny.benchmarks:scenes",
        modality="image",
        description="1,000 scenes with near-duplicates, 13 languages",
    )
    register.benchmark(
        "tiny-sounds",
        "m2m_tiny.benchmarks:sounds",
        modality="audio",
        description="1,000 sounds with near-duplicates, 13 languages",
    )
    register.benchmark(
        "tiny-spoken",
        "m2m_tiny.spoken:benchmark",
        modality="audio",
        description="captions of tiny-scenes said in English, written in 13 languages",
    )
    register.benchmark(
        "tiny-spoken-examples",
        "m2m_tiny.spoken:examples",
        modality="audio",
        description="four spoken captions as sound files, for trying spoken queries",
    )
    register.benchmark(
        "tiny-drawables",
        "m2m_tiny.benchmarks:drawables",
        modality="image",
        description="prompts for painters: 200 held-out scenes, 13 languages",
    )
    register.benchmark(
        "tiny-drawable-videos",
        "m2m_tiny.benchmarks:drawable_videos",
        modality="video",
        description="the prompts of tiny-drawables for tiny-video, 13 languages",
    )
