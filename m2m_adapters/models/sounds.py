"""Any sound -> mono float32 samples at a model's rate, deterministic.

Takes a path, bytes, ``(samples, rate)``, or ``{"array": ..., "sampling_rate": ...}``.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from m2m_adapters.errors import UserError

Samples = npt.NDArray[np.float32]
"""float32 ``[n]``, mono, about -1 to 1."""

MAX_SAMPLES = 100_000_000
"""Of one sound, before and after resampling: 34 minutes at 48 kHz, 400 MB."""

BLOCK = 1 << 20
"""Frames decoded at once, so that channels are averaged before they fill memory."""


def mono_samples(item: object, rate: int) -> Samples:
    """``item`` as float32 ``[n]`` at ``rate`` samples a second, channels averaged, n >= 1.

    Arrays are ``[n]``, ``[n, channels]`` or ``[channels, n]`` (the shorter axis is channels);
    integers are scaled by their type.
    """
    if isinstance(item, (str, Path)):
        path = Path(item)
        if str(item).startswith(("http://", "https://")):
            raise UserError("URLs are not downloaded", "download the file first")
        if not path.exists():
            raise UserError("there is no such file")
        if not path.is_file():
            raise UserError("this is not a file")
        samples, rate_found = _decode(str(path), rate)
    elif isinstance(item, (bytes, bytearray, memoryview)):
        if not len(item):
            raise UserError("the sound is empty")
        samples, rate_found = _decode(io.BytesIO(bytes(item)), rate)
    else:
        samples, rate_found = _array(item)
    if samples.size == 0:
        raise UserError("the sound has no samples")
    _check_length(len(samples), rate_found, rate)
    mono = samples.mean(axis=1, dtype=np.float64) if samples.ndim == 2 else samples
    mono = np.asarray(mono, dtype=np.float32)
    if not np.isfinite(mono).all():
        raise UserError("the sound contains NaN or infinity")
    return resampled(mono, rate_found, rate)


def _check_length(samples: int, rate_found: int, rate: int) -> None:
    """Refuse what would fill memory, before it is decoded or resampled."""
    most = max(samples, math.ceil(samples * rate / rate_found))
    if most > MAX_SAMPLES:
        minutes = MAX_SAMPLES // (60 * max(rate, rate_found))
        raise UserError(
            f"{samples:,} samples at {rate_found:,} Hz are too many",
            f"cut it into pieces of at most {minutes} minutes"
            if minutes
            else "check its sampling rate",
        )


def _decode(source: str | io.BytesIO, rate: int) -> tuple[Samples, int]:
    """(float32 ``[n]``, its sampling rate) of a file, channels averaged."""
    import soundfile

    try:
        with soundfile.SoundFile(source) as file:
            rate_found = int(file.samplerate)
            _check_length(max(0, file.frames), rate_found, rate)
            pieces: list[Samples] = []
            total = 0
            while len(block := file.read(BLOCK, dtype="float32", always_2d=True)):
                total += len(block)
                _check_length(total, rate_found, rate)  # the header may be wrong
                pieces.append(block.mean(axis=1, dtype=np.float64).astype(np.float32))
            return np.concatenate(pieces) if pieces else np.zeros(0, np.float32), rate_found
    except UserError:
        raise
    except Exception as error:  # the message is libsndfile's
        reason = " ".join(str(getattr(error, "error_string", error)).split())[:120]
        raise UserError(
            f"soundfile cannot read it ({reason})",
            "convert it to wav, flac, ogg or mp3, e.g. with ffmpeg",
        ) from error


def _array(item: object) -> tuple[Samples, int]:
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
    return _float_samples(array), int(rate)


def _float_samples(array: object) -> Samples:
    """float32 ``[n]`` or ``[n, channels]``, integers scaled by their type."""
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
    return np.asarray(samples, dtype=np.float32)


def resampled(samples: Samples, current: int, wanted: int) -> Samples:
    """float32 ``[n * wanted / found]``, at least one sample; the same rate is left alone."""
    if current == wanted:
        return samples
    try:
        import soxr

        changed = soxr.resample(samples, current, wanted, quality="HQ")
    except ModuleNotFoundError:
        from scipy.signal import resample_poly

        shared = math.gcd(current, wanted)
        changed = resample_poly(samples, wanted // shared, current // shared)
    changed = np.asarray(changed, dtype=np.float32)
    # A few samples at a high rate may leave none at a low one.
    return changed if changed.size else samples[:1]


def window_starts(n: int, length: int) -> list[int]:
    """First samples of the windows that cover ``n`` samples: as few as possible, evenly laid.

    Every window is full, so that none counts more than another; neighbors overlap a little.
    """
    count = max(1, math.ceil(n / length))
    if count == 1:
        return [0]
    return [round(i * (n - length) / (count - 1)) for i in range(count)]
