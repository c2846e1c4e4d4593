"""Any picture -> an RGB PIL image, upright, or a clear complaint.

Takes a path, bytes, a PIL image, a numpy array or torch tensor, and a URL only when the
caller allows it.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from m2m_adapters.errors import UserError

MAX_PIXELS = 100_000_000
"""More than any camera makes; a file that claims more is a decompression bomb."""

MAX_BYTES = 64 * 1024 * 1024
"""Longest download for a URL."""


def rgb_image(item: Any, *, allow_urls: bool = False) -> Any:
    """``item`` as a ``PIL.Image.Image`` in mode RGB.

    EXIF orientation is honoured, alpha is laid on white, of an animation the first frame is
    taken. Arrays are ``[h, w]``, ``[h, w, c]`` or ``[c, h, w]`` with c of 1, 3 or 4; integers
    count to 255 (16-bit: 65535), floats to 1.
    """
    from PIL import Image

    if isinstance(item, Image.Image):
        return _to_rgb(item)
    if isinstance(item, (bytes, bytearray, memoryview)):
        return _decode(bytes(item))
    if isinstance(item, str) and item.startswith(("http://", "https://")):
        if not allow_urls:
            raise UserError("URLs are not fetched here", "pass allow_urls=True, or a file")
        return _decode(_fetched(item))
    if isinstance(item, (str, Path)):
        path = Path(item)
        if not path.exists():
            raise UserError("there is no such file")
        if not path.is_file():
            raise UserError("this is not a file")
        return _decode(path.read_bytes())
    if hasattr(item, "detach"):
        item = item.detach().cpu().numpy()
    if isinstance(item, np.ndarray):
        return _to_rgb(Image.fromarray(_pixels(item)))
    raise UserError(
        f"a {type(item).__name__} is not an image", "give a path, bytes, a PIL image or an array"
    )


def _decode(data: bytes) -> Any:
    from PIL import Image

    if not data:
        raise UserError("the file is empty")
    try:
        with warnings.catch_warnings():
            # Pillow only warns about bombs up to twice its limit, and about sloppy metadata.
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data)) as opened:
                if opened.width * opened.height > MAX_PIXELS:
                    raise UserError(
                        f"{opened.width} x {opened.height} pixels are too many", "scale it down"
                    )
                opened.seek(0)
                opened.load()
                return _to_rgb(opened)
    except UserError:
        raise
    except Image.DecompressionBombError:
        raise UserError("the image claims too many pixels", "scale it down") from None
    except Image.UnidentifiedImageError:
        raise UserError("not an image, or of a kind Pillow does not read") from None
    except MemoryError:
        raise UserError("the image does not fit in memory", "scale it down") from None
    except Exception as error:  # Pillow's decoders raise nearly anything on damaged files
        raise UserError(f"the image is damaged ({' '.join(str(error).split())[:120]})") from error


def _to_rgb(image: Any) -> Any:
    from PIL import Image, ImageOps

    if image.width < 1 or image.height < 1:
        raise UserError("the image has no pixels")
    if image.width * image.height > MAX_PIXELS:
        raise UserError(f"{image.width} x {image.height} pixels are too many", "scale it down")
    try:
        image = ImageOps.exif_transpose(image)
    except Exception:  # a damaged EXIF block is no reason to refuse the picture
        pass
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        image = _eight_bits(image)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        ground = Image.new("RGBA", image.size, (255, 255, 255, 255))
        return Image.alpha_composite(ground, image).convert("RGB")
    return image.convert("RGB")


def _eight_bits(image: Any) -> Any:
    """16-bit and float greys scaled to 8 bits; Pillow itself would clip them to white."""
    from PIL import Image

    grey = np.asarray(image, dtype=np.float64)
    if not np.isfinite(grey).all():
        raise UserError("the image holds NaN or infinity")
    top = grey.max(initial=0.0)
    whole = 1.0 if image.mode == "F" and top <= 1 else 255.0 if top <= 255 else 65535.0
    scaled = np.clip(grey / max(whole, top), 0, 1) * 255
    return Image.fromarray(np.rint(scaled).astype(np.uint8))


def _pixels(array: Any) -> Any:
    """uint8 ``[h, w]`` or ``[h, w, 3 or 4]`` of an array in any of the usual layouts."""
    told = f"an array of shape {list(array.shape)}"
    if array.ndim == 3 and array.shape[2] not in (1, 3, 4) and array.shape[0] in (1, 3, 4):
        array = np.moveaxis(array, 0, 2)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        raise UserError(f"{told} is not an image", "use [h, w], [h, w, 3] or [3, h, w]")
    if array.size == 0:
        raise UserError(f"{told} has no pixels")
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * 255
    if array.dtype.kind not in "iuf":
        raise UserError(f"an array of {array.dtype} is not an image", "use uint8 or float32")
    values = array.astype(np.float64)
    if not np.isfinite(values).all():
        raise UserError("the array holds NaN or infinity")
    if values.min() < 0:
        raise UserError("the array holds negative values", "give pixels before normalisation")
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
