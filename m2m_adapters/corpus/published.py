"""The published data sets: where their files are, and where they lie on this machine."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from m2m_adapters._internal.user_folders import expanded, user_folder


@dataclass(frozen=True)
class File:
    """One file. unpack: an archive, whose content goes to the folder ``path``."""

    url: str
    path: str
    unpack: bool = False


@dataclass(frozen=True)
class Each:
    """One file for each line of a file that was fetched before. url: line -> address."""

    lines: str
    url: Callable[[str], str]
    path: str


@dataclass(frozen=True)
class Hub:
    """Files of a data set of the hub that match one of the patterns; zips are unpacked."""

    repo: str
    patterns: tuple[str, ...]
    revision: str = "main"


Part = File | Each | Hub


@dataclass(frozen=True)
class Source:
    """notes: terms and size, shown before it is downloaded. column: of a corpus's sentences."""

    parts: tuple[Part, ...]
    notes: str
    column: str | None = None


_XTD = "https://raw.githubusercontent.com/adobe-research/Cross-lingual-Test-Dataset-XTD10/main"
_M30K = "https://raw.githubusercontent.com/multi30k/dataset/master/data/task1"
_XM = "https://google.github.io/crossmodal-3600/web-data"
_XM_IMAGES = "https://open-images-dataset.s3.amazonaws.com/crossmodal-3600"
_CLOTHO = "https://zenodo.org/record/4783391/files"
_AUDIOCAPS = "https://raw.githubusercontent.com/cdjkim/audiocaps/master/dataset"


def _coco(name: str) -> str:
    # COCO_train2014_000000061844.jpg lies in train2014/.
    return f"http://images.cocodataset.org/{name.split('_')[1]}/{name}"


SOURCES = {
    "xtd10": Source(
        (
            File(f"{_XTD}/XTD10/test_image_names.txt", "XTD10/test_image_names.txt"),
            *(
                File(f"{_XTD}/{place}/test_1kcaptions_{code}.txt",
                     f"{place}/test_1kcaptions_{code}.txt")
                for place, codes in (("XTD10", "en es it ko pl ru tr zh"), ("MIC", "de fr"),
                                     ("STAIR", "jp"))
                for code in codes.split()
            ),
            Each("XTD10/test_image_names.txt", _coco, "images"),
        ),
        "captions for non-commercial research; 1,000 images of MS COCO",
    ),
    "multi30k": Source(
        (
            File(f"{_M30K}/image_splits/test_2016_flickr.txt", "image_splits/test_2016_flickr.txt"),
            *(
                File(f"{_M30K}/raw/test_2016_flickr.{code}.gz", f"raw/test_2016_flickr.{code}.gz")
                for code in ("en", "de", "fr", "cs")
            ),
            Hub("nlphuji/flickr30k", ("flickr30k-images.zip",)),
        ),
        "the images come under the terms of Flickr30k (research only); 4.4 GB",
    ),
    "xm3600": Source(
        (
            File(f"{_XM}/captions.zip", "captions", True),
            File(f"{_XM_IMAGES}/images.tgz", "images", True),
        ),
        "cc-by-4.0",
    ),
    "mscoco-multilingual": Source(
        (Hub("piyushsinghpasi/mscoco-multilingual-30k", ("*.zip", "*.csv", "*.parquet")),),
        "machine-translated captions of 30,000 MS COCO captions",
    ),
    "audiocaps": Source(
        (Hub("piyushsinghpasi/audiocaps-multilingual",
             ("*test*.zip", "*test*.parquet", "test/*", "*.csv")),),
        "English captions of the test part and their machine translations",
    ),
    "clotho": Source(
        (Hub("piyushsinghpasi/clotho-multilingual",
             ("*test*.zip", "*test*.parquet", "test/*", "*.csv")),),
        "English captions of the evaluation part and their machine translations",
    ),
    "coco-captions": Source(
        (Hub("sentence-transformers/coco-captions", ("pair/*.parquet",)),),
        "English captions of MS COCO, a corpus to align with",
        column="caption1",
    ),
    "flickr30k-captions": Source(
        (Hub("sentence-transformers/flickr30k-captions", ("pair/*.parquet",)),),
        "English captions of Flickr30k, a corpus to align with",
        column="caption1",
    ),
    "audiocaps-captions": Source(
        (File(f"{_AUDIOCAPS}/train.csv", "train.csv"),),
        "49,838 English captions of the training part, a corpus to align with",
        column="caption",
    ),
    "clotho-captions": Source(
        (File(f"{_CLOTHO}/clotho_captions_development.csv", "clotho_captions_development.csv"),),
        "English captions of the development part, a corpus to align with",
        column="caption_1",
    ),
}  # fmt: skip


def fetched_folder(name: str) -> Path:
    """Where ``m2m fetch`` puts a data set: ``M2M_DATA``, else the platform's data folder."""
    if named := os.environ.get("M2M_DATA"):
        return expanded(named) / name
    return user_folder("data") / "datasets" / name


def published_corpora() -> list[str]:
    """Names of the data sets that are English sentences to align with."""
    return [name for name, source in SOURCES.items() if source.column is not None]
