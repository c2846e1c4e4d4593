"""Videos as files: H.264 in ``.mp4``, which every player knows, or VP9 in ``.webm``."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from m2m_adapters.errors import UserError
from m2m_adapters.models.videos import Frames, need_av

CODECS: dict[str, tuple[str, dict[str, str]]] = {
    ".mp4": ("libx264", {"crf": "18", "preset": "medium", "threads": "1"}),
    ".webm": ("libvpx-vp9", {"crf": "24", "b": "0", "threads": "1", "row-mt": "0"}),
}
"""Suffix -> encoder and its options; one thread, so that the same frames give the same bytes."""


def write_video(path: Path, suffix: str, frames: Frames, rate: float, comment: str) -> None:
    """Encode frames ``[n, h, w, 3]``; an odd side is extended by one row or column."""
    need_av()
    import av

    codec, options = CODECS[suffix]
    if codec not in av.codecs_available:
        raise UserError(f"the installed PyAV cannot write {suffix}", "pip install --upgrade av")
    even = np.pad(
        frames, ((0, 0), (0, frames.shape[1] % 2), (0, frames.shape[2] % 2), (0, 0)), mode="edge"
    )
    settings: dict[str, Any] = {"fflags": "+bitexact"}
    with av.open(str(path), "w", format=suffix[1:], options=settings) as file:
        file.metadata["comment"] = comment
        stream: Any = file.add_stream(
            codec, rate=Fraction(rate).limit_denominator(1000), options=options
        )
        stream.height, stream.width = even.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for pixels in even:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            file.mux(stream.encode(picture))
        file.mux(stream.encode())
