"""Any video -> its frames, and the three of them that a still page shows.

Takes a path, ``(frames, rate)``, a list of pictures, or an array ``[frames, h, w, 3]``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from m2m_adapters.errors import UserError

if TYPE_CHECKING:
    from PIL.Image import Image

Frames = npt.NDArray[np.uint8]
"""uint8 ``[frames, height, width, 3]``."""

MAX_PIXELS = 2_000_000_000
"""Of all frames of a file: 6 GB of memory."""

RATE = 8.0
"""Frames a second of a video that does not say."""


def need_av() -> None:
    """Say how to install PyAV where it is absent, before anything is generated."""
    try:
        import av  # noqa: F401
    except ImportError as error:
        raise UserError("videos need PyAV", 'pip install "m2m-adapters[video]"') from error


def frames_and_rate(item: Any) -> tuple[Frames, float]:
    """``item`` as uint8 ``[frames, h, w, 3]`` and frames a second."""
    rate = RATE
    if isinstance(item, (str, Path)):
        return _decode(Path(item))
    if isinstance(item, tuple) and len(item) == 2 and np.isscalar(item[1]):
        item, rate = item[0], float(str(item[1]))
    if isinstance(item, (list, tuple)):
        item = np.stack([np.asarray(frame) for frame in item]) if item else np.zeros(0, np.uint8)
    if hasattr(item, "detach"):
        item = item.detach().float().cpu().numpy()
    frames = np.asarray(item)
    if frames.ndim != 4 or 0 in frames.shape or frames.shape[-1] != 3:
        raise UserError(
            f"an array of shape {list(frames.shape)} is not a video", "give [frames, h, w, 3]"
        )
    if frames.dtype != np.uint8:
        if not np.isfinite(frames).all():
            raise UserError("the video contains NaN or infinity")
        frames = np.rint(np.clip(frames.astype(np.float32), 0, 1) * 255).astype(np.uint8)
    return frames, rate


def three_frames(item: Any) -> Image:
    """First, middle and last frame side by side; a video of one frame is that frame."""
    from PIL import Image as pil

    frames, _ = frames_and_rate(item)
    shown = sorted({0, (len(frames) - 1) // 2, len(frames) - 1})
    return pil.fromarray(np.concatenate([frames[number] for number in shown], axis=1))


def _decode(path: Path) -> tuple[Frames, float]:
    need_av()
    import av

    if not path.is_file():
        raise UserError(f"there is no file {path}")
    pixels, frames = 0, []
    try:
        with av.open(str(path)) as file:
            stream = file.streams.video[0]
            for frame in file.decode(stream):
                pixels += frame.width * frame.height
                if pixels > MAX_PIXELS:
                    raise UserError(f"{path} is too long", "cut it into pieces")
                frames.append(_rgb(frame))
            rate = float(stream.average_rate or RATE)
    except (av.FFmpegError, IndexError) as error:
        raise UserError(f"{path} is not a video, or is damaged ({error})") from error
    if not frames:
        raise UserError(f"{path} has no frames")
    return np.stack(frames), rate


def _rgb(frame: Any) -> Frames:
    return np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)
