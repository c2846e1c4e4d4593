"""Items as data URIs, so that one page holds everything."""

from __future__ import annotations

import base64
import io
import struct
from html import escape
from typing import Any

import numpy as np


def media(item: Any, modality: str, label: str = "") -> str:
    """An item as the targets take it (path, pixels, samples) as an HTML element."""
    if modality == "image":
        from m2m_adapters.models.images import rgb_image

        uri = image_uri(rgb_image(item))
        return f'<img src="{uri}" alt="{escape(label, quote=True)}" width="96" height="96">'
    if modality == "video":
        from m2m_adapters.models.videos import three_frames

        uri = image_uri(three_frames(item), 288)
        return f'<img src="{uri}" alt="{escape(label, quote=True)}" width="288">'
    if modality == "audio":
        from m2m_adapters.models.sounds import mono_samples

        samples = mono_samples(item, SOUND_RATE)
        return f'<audio controls preload="metadata" src="{sound_uri(samples, SOUND_RATE)}"></audio>'
    return f"<span>{escape(label)}</span>"


SOUND_RATE = 16_000


def image_uri(image: Any, size: int = 96) -> str:
    """A picture (PIL or uint8 ``[h, w, 3]``) as a PNG data URI; a small one grows unblurred."""
    from PIL import Image

    picture = image if isinstance(image, Image.Image) else Image.fromarray(np.asarray(image))
    buffer = io.BytesIO()
    small = max(picture.size) < size
    how = Image.Resampling.NEAREST if small else Image.Resampling.LANCZOS
    picture = picture.convert("RGB")
    scale = size / max(picture.size)
    picture = picture.resize([max(1, round(side * scale)) for side in picture.size], how)
    picture.save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def sound_uri(samples: Any, rate: int) -> str:
    """float samples in [-1, 1] as a 16-bit WAV data URI."""
    data = (np.clip(np.asarray(samples), -1, 1) * 32767).astype("<i2").tobytes()
    head = b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt "
    head += struct.pack("<IHHIIHH", 16, 1, 1, rate, 2 * rate, 2, 16)
    wav = head + b"data" + struct.pack("<I", len(data)) + data
    return f"data:audio/wav;base64,{base64.b64encode(wav).decode()}"
