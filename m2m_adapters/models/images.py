"""Any picture -> an upright RGB PIL image, or a clear error.

Takes a path, bytes, a PIL image, a numpy array or torch tensor, and a URL only when the
caller allows it.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from m2m_adapters.errors import UserError

if TYPE_CHECKING:
    from PIL.Image import Image

Numbers = npt.NDArray[Any]
Pixels = npt.NDArray[np.uint8]

FORMATS = (
    "PNG", "JPEG", "MPO", "WEBP", "GIF", "BMP", "DIB", "TIFF", "AVIF", "JPEG2000", "PPM", "TGA",
    "ICO",
)  # fmt: skip
"""What is decoded. Others of Pillow's are left out: EPS, for one, is handed to Ghostscript."""

MAX_PIXELS = 100_000_000
"""More than nearly any camera makes; a file that claims more is a decompression bomb."""

MAX_FILE = 512 * 1024 * 1024
"""Largest file that is read."""

MAX_BYTES = 64 * 1024 * 1024
"""Longest download for a URL."""

STRIP = 4_000_000
"""Pixels converted at once, so that a large picture is never held several times."""


def rgb_image(item: object, *, allow_urls: bool = False) -> Image:
    """``item`` as a ``PIL.Image.Image`` in mode RGB.

    EXIF orientation is honored, alpha is laid on white, of an animation the first frame is
    taken. Arrays are ``[h, w]``, ``[h, w, c]`` or ``[c, h, w]`` with c of 1, 3 or 4; integers
    count to 255 (16-bit: 65535), floats to 1.
    """
    from PIL import Image as pil

    if isinstance(item, pil.Image):
        if item.format == "EPS":  # Pillow would run Ghostscript to load it
            raise UserError("EPS pictures are not supported", "convert it to PNG first")
        return _to_rgb(item)
    if isinstance(item, (bytes, bytearray, memoryview)):
        return _decode(bytes(item))
    if isinstance(item, str) and item.startswith(("http://", "https://")):
        if not allow_urls:
            raise UserError("URLs are not downloaded", "pass allow_urls=True, or a file")
        return _decode(_fetched(item))
    if isinstance(item, (str, Path)):
        path = Path(item)
        if not path.exists():
            raise UserError("there is no such file")
        if not path.is_file():
            raise UserError("this is not a file")
        if path.stat().st_size > MAX_FILE:
            raise UserError(f"the file is larger than {MAX_FILE >> 20} MiB", "scale it down")
        return _decode(path.read_bytes())
    if hasattr(item, "detach"):
        item = item.detach().cpu().numpy()
    if isinstance(item, np.ndarray):
        return _to_rgb(pil.fromarray(_pixels(item)))
    raise UserError(
        f"a {type(item).__name__} is not an image", "give a path, bytes, a PIL image or an array"
    )


def _decode(data: bytes) -> Image:
    from PIL import Image as pil

    if not data:
        raise UserError("the file is empty")
    try:
        with warnings.catch_warnings():
            # Pillow only warns about bombs up to twice its limit, and about sloppy metadata.
            warnings.simplefilter("ignore")
            with pil.open(io.BytesIO(data), formats=_formats()) as opened:
                _check_size(opened.width, opened.height)
                opened.seek(0)
                opened.load()
                return _to_rgb(opened)
    except UserError:
        raise
    except pil.DecompressionBombError:
        raise UserError("the image claims too many pixels", "scale it down") from None
    except pil.UnidentifiedImageError:
        raise UserError(
            "not an image, or of an unsupported format", f"use {', '.join(FORMATS[:6])}"
        ) from None
    except MemoryError:
        raise UserError("the image does not fit in memory", "scale it down") from None
    except Exception as error:  # Pillow's decoders raise many kinds of errors on damaged files
        raise UserError(f"the image is damaged ({' '.join(str(error).split())[:120]})") from error


def _formats() -> list[str]:
    """Those of ``FORMATS`` that this Pillow knows."""
    from PIL import Image as pil

    pil.init()
    return [name for name in FORMATS if name in pil.OPEN]


def _check_size(width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise UserError("the image has no pixels")
    if width * height > MAX_PIXELS:
        raise UserError(f"{width} x {height} pixels are too many", "scale it down")


def _to_rgb(image: Image) -> Image:
    _check_size(image.width, image.height)
    image = _upright(image)
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        image = _eight_bits(image)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        return _on_white(image)
    return image.convert("RGB")


def _upright(image: Image) -> Image:
    """As its EXIF orientation says; without one the very image, not a copy."""
    from PIL import ImageOps

    try:
        if image.getexif().get(0x0112, 1) == 1:
            return image
        return ImageOps.exif_transpose(image)
    except Exception:  # a picture with a damaged EXIF block is still usable
        return image


def _strips(image: Image) -> Iterator[tuple[int, int, int, int]]:
    """Boxes of whole rows that together cover the image."""
    rows = max(1, STRIP // image.width)
    for top in range(0, image.height, rows):
        yield 0, top, image.width, min(top + rows, image.height)


def _on_white(image: Image) -> Image:
    from PIL import Image as pil

    white = (255, 255, 255, 255)
    result = pil.new("RGB", image.size)
    for box in _strips(image):
        part = image.crop(box).convert("RGBA")
        ground = pil.new("RGBA", part.size, white)
        result.paste(pil.alpha_composite(ground, part).convert("RGB"), box)
    return result


def _eight_bits(image: Image) -> Image:
    """16-bit and float greys scaled to 8 bits; Pillow itself would clip them to white."""
    from PIL import Image as pil

    top = 0.0
    for box in _strips(image):
        grey = np.asarray(image.crop(box), dtype=np.float64)
        if not np.isfinite(grey).all():
            raise UserError("the image holds NaN or infinity")
        top = max(top, grey.max(initial=0.0))
    whole = 1.0 if image.mode == "F" and top <= 1 else 255.0 if top <= 255 else 65535.0
    result = pil.new("L", image.size)
    for box in _strips(image):
        grey = np.asarray(image.crop(box), dtype=np.float64)
        scaled = np.clip(grey / max(whole, top), 0, 1) * 255
        result.paste(pil.fromarray(np.rint(scaled).astype(np.uint8)), box)
    return result


def _pixels(array: Numbers) -> Pixels:
    """uint8 ``[h, w]`` or ``[h, w, 3 or 4]`` of an array in any of the usual layouts."""
    array = _channels_last(array)
    _check_size(array.shape[1], array.shape[0])
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * 255
    return _from_values(array)


def _channels_last(array: Numbers) -> Numbers:
    described = f"an array of shape {list(array.shape)}"
    if array.ndim == 3 and array.shape[2] not in (1, 3, 4) and array.shape[0] in (1, 3, 4):
        array = np.moveaxis(array, 0, 2)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        raise UserError(f"{described} is not an image", "use [h, w], [h, w, 3] or [3, h, w]")
    if array.size == 0:
        raise UserError(f"{described} has no pixels")
    return array


def _from_values(array: Numbers) -> Pixels:
    """Integers up to 255 (16-bit: 65535) or floats up to 1, as uint8."""
    if array.dtype.kind not in "iuf":
        raise UserError(f"an array of {array.dtype} is not an image", "use uint8 or float32")
    values = array.astype(np.float64)
    if not np.isfinite(values).all():
        raise UserError("the array holds NaN or infinity")
    if values.min() < 0:
        raise UserError("the array holds negative values", "give pixels before normalization")
    top = 1.0 if array.dtype.kind == "f" else 65535.0 if array.dtype == np.uint16 else 255.0
    if values.max() > top:
        raise UserError(
            f"the array's values go up to {values.max():g}, {top:g} is expected for {array.dtype}",
            "use uint8 up to 255 or floats up to 1",
        )
    return np.rint(values / top * 255).astype(np.uint8)


def _fetched(url: str) -> bytes:
    from urllib.error import URLError
    from urllib.request import Request, urlopen

    try:
        with urlopen(Request(url, headers={"User-Agent": "m2m-adapters"}), timeout=10) as answer:
            data: bytes = answer.read(MAX_BYTES + 1)
    except (URLError, OSError, ValueError) as error:
        raise UserError(f"cannot be fetched: {error}"[:200]) from error
    if len(data) > MAX_BYTES:
        raise UserError(f"is larger than {MAX_BYTES >> 20} MiB")
    return data
