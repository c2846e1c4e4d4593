"""An adapter as a model of CLIP_benchmark: ``(model, transform, tokenizer)``.

CLIP_benchmark moves everything as tensors of one shape, between processes too. So a picture
travels on a canvas with its size, a text as its bytes, and both are unpacked before encoding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image
    from torch import Tensor

    from m2m_adapters.artifact.adapter import Adapter
    from m2m_adapters.evaluation.benchmark import Item
    from m2m_adapters.interfaces import Vectors

CANVAS = 1024
"""Side in pixels. Larger pictures are scaled down first; the benchmarks' are smaller."""


class Pack:
    """PIL image -> uint8 tensor ``[4, side, side]``: pixels top left, its size in plane 3."""

    def __init__(self, side: int = CANVAS) -> None:
        self.side = side

    def __call__(self, image: Item) -> Tensor:
        import torch

        from m2m_adapters.models.images import rgb_image

        picture = rgb_image(image)
        if max(picture.size) > self.side:
            picture.thumbnail((self.side, self.side))
        packed = np.zeros((4, self.side, self.side), np.uint8)
        packed[:3, : picture.height, : picture.width] = np.asarray(picture).transpose(2, 0, 1)
        packed[3].reshape(-1)[:4] = (*divmod(picture.width, 256), *divmod(picture.height, 256))
        return torch.from_numpy(packed)


def unpack(batch: Tensor) -> list[Image]:
    """uint8 ``[n, 4, side, side]`` -> PIL images."""
    from PIL import Image

    images = []
    for packed in batch.cpu().numpy():
        a, b, c, d = (int(v) for v in packed[3].reshape(-1)[:4])
        pixels = packed[:3, : c * 256 + d, : a * 256 + b].transpose(1, 2, 0)
        images.append(Image.fromarray(np.ascontiguousarray(pixels)))
    return images


def tokenize(texts: str | Sequence[str]) -> Tensor:
    """int64 ``[n, longest]``: UTF-8 bytes, filled up with -1."""
    import torch

    rows = [list(t.encode()) for t in ([texts] if isinstance(texts, str) else texts)]
    longest = max([1, *map(len, rows)])
    return torch.tensor([row + [-1] * (longest - len(row)) for row in rows], dtype=torch.int64)


class ClipBenchmarkModel:
    """``encode_text`` and ``encode_image`` over an adapter; tensors ``[n, dim]`` on ``device``."""

    def __init__(self, adapter: Adapter, device: str = "cpu") -> None:
        self.adapter, self.device = adapter, device

    def encode_text(self, tokens: Tensor) -> Tensor:
        texts = [bytes(b for b in row if b >= 0).decode() for row in tokens.cpu().tolist()]
        return self._tensor(lambda: self.adapter.encode(texts))

    def encode_image(self, batch: Tensor) -> Tensor:
        return self._tensor(lambda: self.adapter.encode_items(unpack(batch)))

    def _tensor(self, make: Callable[[], Vectors]) -> Tensor:
        import torch

        # Their autocast would lower the precision of models that chose their own.
        with torch.autocast(torch.device(self.device).type, enabled=False):
            return torch.from_numpy(make()).to(self.device)

    def eval(self) -> ClipBenchmarkModel:
        return self

    def to(self, device: str | torch.device) -> ClipBenchmarkModel:
        self.device = str(device)
        return self


def load_m2m(
    model_name: str,
    pretrained: str = "",
    cache_dir: str | None = None,
    device: str | torch.device = "cpu",
) -> tuple[ClipBenchmarkModel, Pack, Callable[..., Tensor]]:
    """A loader as CLIP_benchmark wants it; ``model_name`` is an adapter's folder or name."""
    from m2m_adapters.artifact.load import load_adapter

    return wrap(load_adapter(model_name, device=str(device)), device)


def wrap(
    adapter: Adapter, device: str | torch.device = "cpu"
) -> tuple[ClipBenchmarkModel, Pack, Callable[..., Tensor]]:
    """``(model, transform, tokenizer)`` of an adapter to images."""
    from m2m_adapters.errors import UserError

    if adapter.modality != "image":
        raise UserError(
            f"CLIP_benchmark is for images; the adapter's target encodes {adapter.modality}",
            "use `m2m evaluate`, or --suite mteb",
        )
    return ClipBenchmarkModel(adapter, str(device)), Pack(), tokenize


def register(name: str = "m2m") -> None:
    """Make ``--model_type m2m --model ADAPTER`` known to CLIP_benchmark in this process."""
    from clip_benchmark import models

    models.TYPE2FUNC[name] = load_m2m
    if name not in models.MODEL_TYPES:
        models.MODEL_TYPES.append(name)
