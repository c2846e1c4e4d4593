"""open_clip in several shapes: what we give is what the library gives."""

from __future__ import annotations

import numpy as np
import oc_folders
import open_clip
import pytest
import torch
from m2m_open_clip.target import OpenClip, load
from PIL import Image

from m2m_adapters.testing import ModalityModelSuite, TextEncoderSuite

TEXTS = ["a dog", "two red squares above a small circle", "x " * 100, "", "犬が吠える"]


def pictures(n: int = 4) -> list[Image.Image]:
    """Noise of several sizes."""
    rng = np.random.default_rng(0)
    return [
        Image.fromarray(rng.integers(0, 255, (40 + 9 * i, 50, 3), dtype=np.uint8)) for i in range(n)
    ]


def model_of(kind: str) -> OpenClip:
    made = load(f"local-dir:{oc_folders.folder(kind)}", device="cpu")
    assert isinstance(made, OpenClip)
    return made


@pytest.mark.parametrize("kind", oc_folders.CONFIGS)
def test_as_the_library(kind: str) -> None:
    name, mine, images = f"local-dir:{oc_folders.folder(kind)}", model_of(kind), pictures()
    whole, _, transform = open_clip.create_model_and_transforms(name, require_pretrained=True)
    tokenizer = open_clip.get_tokenizer(name)
    with torch.no_grad():
        texts = whole.eval().encode_text(tokenizer(TEXTS), normalize=True).numpy()
        pixels = torch.stack([transform(image) for image in images])
        items = whole.encode_image(pixels, normalize=True).numpy()
    assert mine.space.dim == texts.shape[1] and mine.space.normalized
    np.testing.assert_allclose(mine.text.encode(TEXTS), texts, atol=1e-6)
    np.testing.assert_allclose(mine.encode_items(images), items, atol=1e-6)


@pytest.mark.parametrize("kind", oc_folders.CONFIGS)
def test_one_by_one_as_in_batches(kind: str) -> None:
    mine, images = model_of(kind), pictures()
    together = mine.encode_items(images, batch_size=3)
    alone = np.concatenate([mine.encode_items([image]) for image in images])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    together = mine.text.encode(TEXTS)
    alone = np.concatenate([mine.text.encode([text]) for text in TEXTS])
    np.testing.assert_allclose(together, alone, atol=1e-5)


class _Text(TextEncoderSuite):
    kind = ""

    def make(self):
        return model_of(self.kind).text


class _Model(ModalityModelSuite):
    kind = ""

    def make(self):
        return model_of(self.kind)

    def items(self):
        return pictures()


for _kind in oc_folders.CONFIGS:
    globals()[f"TestText_{_kind}"] = type(f"TestText_{_kind}", (_Text,), {"kind": _kind})
    globals()[f"TestModel_{_kind}"] = type(f"TestModel_{_kind}", (_Model,), {"kind": _kind})
del _kind
