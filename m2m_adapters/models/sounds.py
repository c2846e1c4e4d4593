"""Any sound -> mono float32 samples at the rate a model wants, always the same ones.

Takes a path, bytes, ``(samples, rate)``, or ``{"array": ..., "sampling_rate": ...}``.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from m2m_adapters.errors import UserError

Samples = npt.NDArray[np.float32]
"""float32 ``[n]``, mono, about -1 to 1."""

MAX_SECONDS = 4 * 3600


def mono_samples(item: Any, rate: int) -> Samples:
    """``item`` as float32 ``[n]`` at ``rate`` samples a second, channels averaged, n >= 1.

    Arrays are ``[n]``, ``[n, channels]`` or ``[channels, n]`` (the shorter axis is channels);
    integers are scaled by their type.
    """
    if isinstance(item, (str, Path)):
        path = Path(item)
        if str(item).startswith(("http://", "https://")):
            raise UserError("URLs are not fetched here", "download the file first")
        if not path.exists():
            raise UserError("there is no such file")
        if not path.is_file():
            raise UserError("this is not a file")
        samples, found = _decode(str(path))
    elif isinstance(item, (bytes, bytearray, memoryview)):
        if not len(item):
            raise UserError("the sound is empty")
        samples, found = _decode(io.BytesIO(bytes(item)))
    else:
        samples, found = _array(item)
    if samples.size == 0:
        raise UserError("the sound has no samples")
    if len(samples) > MAX_SECONDS * found:
        raise UserError(f"longer than {MAX_SECONDS // 3600} hours", "cut it into pieces")
    mono = samples.mean(axis=1, dtype=np.float64) if samples.ndim == 2 else samples
    mono = np.asarray(mono, dtype=np.float32)
    if not np.isfinite(mono).all():
        raise UserError("the sound holds NaN or infinity")
    return resampled(mono, found, rate)


def _decode(source: Any) -> tuple[Samples, int]:
    import soundfile

    try:
        with soundfile.SoundFile(source) as file:
            if file.frames > MAX_SECONDS * file.samplerate:
                raise UserError(f"longer than {MAX_SECONDS // 3600} hours", "cut it into pieces")
            return file.read(dtype="float32", always_2d=True), int(file.samplerate)
    except UserError:
        raise
    except Exception as error:  # soundfile passes on whatever libsndfile says
        told = " ".join(str(getattr(error, "error_string", error)).split())[:120]
        raise UserError(
            f"soundfile cannot read it ({told})",
            "convert it to wav, flac, ogg or mp3, e.g. with ffmpeg",
        ) from error


def _array(item: Any) -> tuple[Samples, int]:
    if isinstance(item, Mapping) and "array" in item:
        array, rate = item["array"], item.get("sampling_rate")
    elif isinstance(item, tuple) and len(item) == 2:
        array, rate = item
    else:
        raise UserError(
            f"a {type(item).__name__} is not a sound",
            "give a path, bytes, (samples, rate) or {'array': ..., 'sampling_rate': ...}",
        )
    if isinstance(rate, float) and rate.is_integer():
        rate = int(rate)
    if isinstance(rate, bool) or not isinstance(rate, (int, np.integer)) or not 0 < rate < 10**7:
        raise UserError(f"{rate!r} is not a sampling rate", "give samples a second, e.g. 48000")
    if hasattr(array, "detach"):
        array = array.detach().cpu().numpy()
    try:
        samples = np.asarray(array)
    except ValueError as error:
        raise UserError("the samples are not an array of numbers") from error
    if samples.dtype.kind not in "iuf":
        raise UserError(f"samples of {samples.dtype} are not numbers", "use float32 or int16")
    if samples.ndim not in (1, 2):
        raise UserError(f"samples of shape {list(samples.shape)} are not a sound", "use [n]")
    if samples.ndim == 2 and samples.shape[0] < samples.shape[1]:
        samples = samples.T
    if samples.dtype.kind in "iu":
        kind = np.iinfo(samples.dtype)
        middle = (kind.max + 1) / 2 if samples.dtype.kind == "u" else 0
        scale = middle if samples.dtype.kind == "u" else kind.max + 1
        samples = (samples.astype(np.float64) - middle) / scale
    return np.asarray(samples, dtype=np.float32), int(rate)


def resampled(samples: Samples, found: int, wanted: int) -> Samples:
    """float32 ``[n * wanted / found]``, at least one sample; the same rate is left alone."""
    if found == wanted:
        return samples
    try:
        import soxr

        changed = soxr.resample(samples, found, wanted, quality="HQ")
    except ModuleNotFoundError:
        from scipy.signal import resample_poly

        shared = math.gcd(found, wanted)
        changed = resample_poly(samples, wanted // shared, found // shared)
    changed = np.asarray(changed, dtype=np.float32)
    # A few samples at a high rate may leave none at a low one.
    return changed if changed.size else samples[:1]


def window_starts(n: int, length: int) -> list[int]:
    """First samples of the windows that cover ``n`` samples: as few as possible, evenly laid.

    Every window is full, so that none counts more than another; neighbours overlap a little.
    """
    count = max(1, math.ceil(n / length))
    if count == 1:
        return [0]
    return [round(i * (n - length) / (count - 1)) for i in range(count)]
