"""Items as data URIs, so that one page holds everything."""

from __future__ import annotations

import base64
import io
import struct
from typing import Any

import numpy as np


def image_uri(image: Any, size: int = 96) -> str:
    """A picture (PIL or uint8 ``[h, w, 3]``) as a PNG data URI, enlarged without blur."""
    from PIL import Image

    picture = image if isinstance(image, Image.Image) else Image.fromarray(np.asarray(image))
    buffer = io.BytesIO()
    picture.convert("RGB").resize((size, size), Image.Resampling.NEAREST).save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def sound_uri(samples: Any, rate: int) -> str:
    """float samples in [-1, 1] as a 16-bit WAV data URI."""
    data = (np.clip(np.asarray(samples), -1, 1) * 32767).astype("<i2").tobytes()
    head = b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt "
    head += struct.pack("<IHHIIHH", 16, 1, 1, rate, 2 * rate, 2, 16)
    wav = head + b"data" + struct.pack("<I", len(data)) + data
    return f"data:audio/wav;base64,{base64.b64encode(wav).decode()}"
