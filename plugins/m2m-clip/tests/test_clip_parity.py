"""Every dual encoder of transformers: what we give is what the library gives."""

from __future__ import annotations

import clip_folders
import numpy as np
import pytest
import torch
import transformers as tf
from m2m_clip.target import CLASSES, DualImages, load
from PIL import Image

from m2m_adapters.testing import ModalityModelSuite, TextEncoderSuite

TEXTS = ["a dog", "two red squares above a small circle", "x " * 100, "", "犬が吠える"]


def pictures(n: int = 4) -> list[Image.Image]:
    """Noise of several sizes."""
    rng = np.random.default_rng(0)
    return [
        Image.fromarray(rng.integers(0, 255, (40 + 9 * i, 50, 3), dtype=np.uint8)) for i in range(n)
    ]


def model_of(kind: str) -> DualImages:
    made = load(str(clip_folders.folder(kind)), device="cpu")
    assert isinstance(made, DualImages)
    return made


def unit(found: object) -> np.ndarray:
    return torch.nn.functional.normalize(getattr(found, "pooler_output", found), dim=-1).numpy()


def test_every_class_is_tried() -> None:
    assert set(clip_folders.KINDS) == set(CLASSES)


@pytest.mark.parametrize("kind", clip_folders.KINDS)
def test_as_the_library(kind: str) -> None:
    folder, mine, images = clip_folders.folder(kind), model_of(kind), pictures()
    whole = clip_folders.parts(kind)[0].from_pretrained(folder).eval()
    tokens = tf.AutoTokenizer.from_pretrained(folder)(
        TEXTS,
        return_tensors="pt",
        truncation=True,
        max_length=mine.text.max_tokens,
        padding="max_length" if kind.startswith("siglip") else True,
    )
    tokens.pop("token_type_ids", None)
    pixels = tf.AutoImageProcessor.from_pretrained(folder)(images=images, return_tensors="pt")
    with torch.no_grad():
        texts = unit(whole.get_text_features(**tokens))
        items = unit(whole.get_image_features(**pixels))
    assert mine.space.dim == texts.shape[1] and mine.space.normalized
    np.testing.assert_allclose(mine.text.encode(TEXTS), texts, atol=1e-6)
    np.testing.assert_allclose(mine.encode_items(images), items, atol=1e-6)


@pytest.mark.parametrize("kind", clip_folders.KINDS)
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


for _kind in clip_folders.KINDS:
    globals()[f"TestText_{_kind}"] = type(f"TestText_{_kind}", (_Text,), {"kind": _kind})
    globals()[f"TestModel_{_kind}"] = type(f"TestModel_{_kind}", (_Model,), {"kind": _kind})
del _kind
