"""One shard of captions and one of pictures, measured; a billion of each, computed from them.

The caption encoder is as large as paraphrase-multilingual-mpnet-base-v2 and the picture encoder as
CLIP ViT-B/32, both built from their configs with random weights, which cost the same. Pictures are
JPEG files of 640 x 480 on disk. `m2m embed` writes the vectors, as for any corpus.

    python benchmarks/scale.py --captions 4096 --pictures 512
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import torch
from encode import build, captions
from measure import Report, arguments
from PIL import Image

import m2m_adapters as m2m
from m2m_adapters.embeddings.bulk import embed_dataset
from m2m_adapters.search.format import MEDIA

BILLION = 1_000_000_000
GPU = 100e12
"""Operations a second that a GPU is assumed to sustain in bf16: a tenth of an H100's peak."""


def clip_folder(path: Path) -> None:
    """CLIP ViT-B/32 with random weights; its text tower is not used here."""
    import transformers as tf

    from m2m_adapters.testing import small_models

    tokenizer = small_models.clip_tokenizer()
    config = tf.CLIPConfig()
    text = config.text_config
    text.vocab_size, text.bos_token_id, text.eos_token_id = len(tokenizer), 0, 1
    torch.manual_seed(0)
    small_models.save_all(path, tf.CLIPModel(config), tokenizer, tf.CLIPImageProcessor())


def write_pictures(folder: Path, count: int) -> None:
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(count):
        coarse = Image.fromarray(rng.integers(0, 255, (12, 16, 3), np.uint8))
        coarse.resize((640, 480), Image.Resampling.BICUBIC).save(folder / f"{number:06d}.jpg")


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main() -> None:
    asked = arguments(__doc__, captions={"type": int, "default": 4096},
                      pictures={"type": int, "default": 512})  # fmt: skip
    report = Report(
        "Scale",
        f"python benchmarks/scale.py --captions {asked.captions} --pictures {asked.pictures}",
        ("what", "one shard, measured", "a billion, computed"),
    )
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        build(place)
        clip_folder(place / "clip")
        (place / "captions.txt").write_text("\n".join(captions(asked.captions)))
        write_pictures(place / "pictures", asked.pictures)

        source = m2m.load_source(f"st:{place}/model")
        tokens = sum(map(len, source.tokenize(captions(asked.captions))))
        wide = 768 * 768 * 12 * 12  # weights of the linear layers: 12 layers of 12 x 768 x 768
        operations = 2 * wide * tokens / asked.captions
        rate = rate_of(f"st:{place}/model", place / "captions.txt", place, asked.captions)
        rows(report, "captions", rate, operations, size_of(place / "whole") / asked.captions)

        began = time.process_time()
        for path in sorted((place / "pictures").iterdir()):
            with Image.open(path) as picture:
                picture.draft("RGB", (224, 224))
                picture.load()
        decode = asked.pictures / (time.process_time() - began)
        report.add("pictures decoded a second, one core", f"{decode:.0f}",
                   f"{BILLION / decode / 3600:,.0f} core-hours")  # fmt: skip
        rate = rate_of(f"clip:{place}/clip", place / "pictures", place, asked.pictures, items=True)
        # ViT-B/32: 12 layers of 12 x 768 x 768 weights over 50 tokens, and the patches.
        rows(report, "pictures", rate, 2 * 50 * (wide + 768 * 3072),
             size_of(place / "whole") / asked.pictures)  # fmt: skip

        m2m.build_index(f"clip:{place}/clip", place / "pictures", place / "index", progress=False,
                        device="cpu")  # fmt: skip
        with closing(sqlite3.connect(place / "index" / MEDIA)) as media:
            previews = media.execute("SELECT sum(length(thumbnail)) FROM media").fetchone()[0]
        report.add("previews, bytes a picture", f"{previews / asked.pictures:,.0f}",
                   f"{BILLION * previews / asked.pictures / 1e12:.2f} TB")  # fmt: skip
    report.notes = [
        "a second is one of processor time; loading the models is taken out",
        f"GPU-hours: the linear layers' operations at {GPU / 1e12:.0f} TFLOP/s, which is assumed",
    ]
    report.finish(asked)


def rate_of(name: str, corpus: Path, place: Path, count: int, items: bool = False) -> float:
    """Rows for each second of processor time; a run over an eighth takes the loading out."""
    spent = []
    for part, limit in (("eighth", count // 8), ("whole", count)):
        shutil.rmtree(place / part, ignore_errors=True)
        began = time.process_time()
        embed_dataset(name, corpus, place / part, items=items, max_rows=limit, store=False,
                      progress=False, model_options={"precision": "auto"})  # fmt: skip
        spent.append(time.process_time() - began)
    return (count - count // 8) / (spent[1] - spent[0])


def rows(report: Report, what: str, rate: float, operations: float, size: float) -> None:
    """Rate, computation and disk of one kind."""
    report.add(f"{what} a second, one core", f"{rate:.0f}",
               f"{BILLION / rate / 3600:,.0f} core-hours")  # fmt: skip
    report.add("... thousand million operations each", f"{operations / 1e9:.1f}",
               f"{BILLION * operations / GPU / 3600:,.1f} GPU-hours")  # fmt: skip
    report.add(
        "... bytes on disk each (parquet)", f"{size:,.0f}", f"{BILLION * size / 1e12:.2f} TB"
    )


if __name__ == "__main__":
    main()
