"""Facts about a file that need no model: digest, size, date, preview, windows."""

from __future__ import annotations

import hashlib
import io
import os
import warnings
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from m2m_adapters.errors import UserError
from m2m_adapters.models.images import FORMATS, MAX_PIXELS
from m2m_adapters.models.sounds import window_starts
from m2m_adapters.search.media import Preview
from m2m_adapters.search.metadata import Item
from m2m_adapters.search.scan import LATEST, File

THUMBNAIL = 320
QUALITY = 82
PEAKS = 400
MAX_SECONDS = 24 * 3600
Windows = list[tuple[float | None, float | None]]
WHOLE: Windows = [(None, None)]
EXIF_TAKEN, EXIF_DATE, EXIF_BLOCK = 0x9003, 0x0132, 0x8769


@dataclass(frozen=True)
class Facts:
    """An item, its preview, and the windows that get a vector each: (start, end) in seconds.

    One window without times stands for the whole file.
    """

    item: Item
    preview: Preview
    windows: Windows


def facts(file: File, modality: str, window: float) -> Facts:
    """Read ``file``; raises UserError for one that cannot be used."""
    try:
        digest = digest_of(file.path)
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror or error}") from error
    folder, name = os.path.split(file.path)
    about: dict[str, Any] = {
        "path": file.path,
        "folder": folder,
        "name": name,
        "suffix": os.path.splitext(name)[1].lower(),
        "size": file.size,
        "mtime_ns": file.mtime_ns,
        "digest": digest,
        "modality": modality,
        "date": date_of(file.mtime_ns),
    }
    preview, windows = Preview(), WHOLE
    if modality == "image":
        seen, preview = _picture(file.path)
        about.update(seen)
    elif modality == "audio":
        about["duration"], windows, preview = _sound(file.path, window)
    return Facts(Item(**about), preview, windows)


def date_of(mtime_ns: int) -> str | None:
    """ISO local time; None for one beyond what is kept, or what the platform can write."""
    if abs(mtime_ns) >= LATEST:
        return None
    try:
        return datetime.fromtimestamp(mtime_ns / 1e9).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return None


def digest_of(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as opened:
        while block := opened.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _picture(path: str) -> tuple[dict[str, Any], Preview]:
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            Image.init()
            known = [name for name in FORMATS if name in Image.OPEN]
            with Image.open(path, formats=known) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise UserError(f"{image.width} x {image.height} pixels are too many")
                exif = _exif(image)
                width, height = image.size
                if exif.get(0x0112, 1) in (5, 6, 7, 8):  # the camera was held upright
                    width, height = height, width
                image.draft("RGB", (THUMBNAIL, THUMBNAIL))
                small = _on_white(ImageOps.exif_transpose(image))
    except UserError:
        raise
    except Image.UnidentifiedImageError:
        raise UserError("not an image, or of an unsupported format") from None
    except Exception as error:  # decoders raise nearly anything on damaged files
        raise UserError(f"the image is damaged ({' '.join(str(error).split())[:120]})") from error
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=QUALITY, optimize=True)
    seen: dict[str, Any] = {"width": width, "height": height}
    if taken := _date(exif):
        seen["date"] = taken
    return seen, Preview(thumbnail=buffer.getvalue())


def _on_white(image: Any) -> Any:
    from m2m_adapters.models.images import rgb_image

    return rgb_image(image)


def _exif(image: Any) -> dict[int, Any]:
    try:
        exif = image.getexif()
        return {**dict(exif), **dict(exif.get_ifd(EXIF_BLOCK))}
    except Exception:  # a damaged block is no reason to refuse the picture
        return {}


def _date(exif: dict[int, Any]) -> str | None:
    for tag in (EXIF_TAKEN, EXIF_DATE):
        words = str(exif.get(tag, "")).strip("\0 ")
        try:
            return datetime.strptime(words[:19], "%Y:%m:%d %H:%M:%S").isoformat()
        except ValueError:
            continue
    return None


def _sound(path: str, window: float) -> tuple[float, Windows, Preview]:
    import soundfile

    try:
        with soundfile.SoundFile(path) as file:
            frames, rate = int(file.frames), int(file.samplerate)
            if frames <= 0:
                raise UserError("the sound has no samples")
            if frames > MAX_SECONDS * rate:
                raise UserError(f"longer than {MAX_SECONDS // 3600} hours")
            peaks = _peaks(file, frames)
    except UserError:
        raise
    except Exception as error:
        raise _unreadable(error) from error
    length = max(1, round(window * rate))
    if frames <= length:
        return frames / rate, WHOLE, Preview(peaks=peaks)
    windows: Windows = [
        (start / rate, (start + length) / rate) for start in window_starts(frames, length)
    ]
    return frames / rate, windows, Preview(peaks=peaks)


def _unreadable(error: Exception) -> UserError:
    words = " ".join(str(getattr(error, "error_string", error)).split())[:120]  # libsndfile's
    return UserError(f"soundfile cannot read it ({words})")


def _peaks(file: Any, frames: int) -> bytes:
    """The largest sample of each step, read piece by piece."""
    step = max(1, -(-frames // PEAKS))
    peaks = [
        min(255, round(255 * float(np.nan_to_num(np.abs(block)).max())))
        for block in file.blocks(step, dtype="float32", always_2d=True)
        if len(block)
    ]
    return bytes(peaks)


def read_window(path: str, start: float, end: float) -> tuple[Any, int]:
    """(float32 ``[n]``, rate) of a part of a sound, channels averaged; UserError for a file that
    was removed or cut since its facts were read."""
    import soundfile

    try:
        with soundfile.SoundFile(path) as file:
            first = round(start * file.samplerate)
            file.seek(first)
            block = file.read(round(end * file.samplerate) - first, dtype="float32", always_2d=True)
            return block.mean(axis=1), int(file.samplerate)
    except soundfile.SoundFileError as error:
        raise _unreadable(error) from error
