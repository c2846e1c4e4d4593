"""The tiny world on disk, indexed: what ``m2m demo --serve`` shows. A second start reuses it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from m2m_adapters._internal.files import cache_folder
from m2m_adapters._internal.folders import whole_folder
from m2m_adapters._internal.progress import Progress
from m2m_adapters._internal.version import __version__
from m2m_adapters.alignment.align import align
from m2m_adapters.artifact.adapter import Adapter
from m2m_adapters.artifact.load import load_adapter
from m2m_adapters.errors import UserError
from m2m_adapters.evaluation.find import load_benchmark
from m2m_adapters.registry.names import load_source, load_target
from m2m_adapters.report.demo import SENTENCES, TINY, Pairing
from m2m_adapters.search.build import build_index

GROUP = 25  # items of one folder: the tiny benchmarks are groups of a base and its variations
FIRST_DAY = 1_577_880_000  # 2020-01-01, noon in UTC
DAY = 86_400
EXAMPLES = (
    "ein kleiner weißer Kreis rechts von einem gelben Herz",
    "大きな黄色い水玉模様の円",
    "مربع وردي كبير على يسار قلب أبيض",
    "синий ромб и жёлтый квадрат",
    "पहले एक धीमी ऊँची भनभनाहट, फिर तीन धीमे खटके",
    "dos acordes fuertes - zumbido",
    "iki alçalan ıslık",
)
"""Queries that the page of the demonstration offers."""


@dataclass(frozen=True)
class Prepared:
    """An index of the demonstration, and the adapter that asks it.

    loaded: the adapter with its models, so that nobody loads them again.
    """

    name: str
    index: Path
    adapter: Path
    loaded: Adapter = field(repr=False, compare=False)


def prepare_demo(
    folder: Path | None = None,
    pairings: Sequence[Pairing] = TINY,
    *,
    sentences: int = SENTENCES,
    items: int | None = None,
    progress: Progress | None = None,
) -> list[Prepared]:
    """Write the items of each pairing as files, align, and index them as ``m2m index`` does.

    folder: where all of it is kept, by default in the cache. items: how many of each benchmark;
    all by default. What an earlier call has finished is used again. Other models, sentences,
    items or versions get a folder of their own.
    """
    place = folder if folder is not None else cache_folder() / "demo"
    return [_prepared(place, one, sentences, items, progress or Progress()) for one in pairings]


def _prepared(
    place: Path, pairing: Pairing, sentences: int, items: int | None, progress: Progress
) -> Prepared:
    source, target = load_source(pairing.source), load_target(pairing.target)
    about = f"{source.fingerprint} {target.space.fingerprint} {pairing.corpus} {sentences} {items}"
    key = hashlib.sha256(f"{__version__} {about}".encode()).hexdigest()[:12]
    inside = place / f"{pairing.benchmark}-{key}"
    adapter, files = inside / f"{pairing.source}-{pairing.target}", inside / pairing.title.lower()
    if not _can_be_read(adapter):
        align(
            source, target, pairing.corpus, max_sentences=sentences,
            progress=progress,
        ).save(adapter)  # fmt: skip
    if not files.is_dir():
        _write_items(pairing, files, items, progress)
    loaded = load_adapter(adapter, source=source, target=target)
    build_index(target, files, inside / "index", adapter=adapter, progress=progress)
    return Prepared(pairing.title.lower(), inside / "index", adapter, loaded)


def _can_be_read(adapter: Path) -> bool:
    """Whether an earlier start has left an adapter that this version reads."""
    try:
        load_adapter(adapter)
    except UserError:
        return False
    return True


def _write_items(pairing: Pairing, out: Path, items: int | None, progress: Progress) -> None:
    """One file for each item, in folders of a group, one day apart so that dates can be tried."""
    benchmark = load_benchmark(pairing.benchmark)
    count = min(items or len(benchmark.items), len(benchmark.items))
    picture = benchmark.modality == "image"
    with (
        whole_folder(out) as folder,
        progress.stage("write", count, pairing.title.lower()) as done,
    ):
        for number in range(count):
            group = folder / f"group {number // GROUP + 1:02d}"
            group.mkdir(parents=True, exist_ok=True)
            name = f"scene {number + 1:04d}.png" if picture else f"sound {number + 1:04d}.flac"
            write = _write_picture if picture else _write_sound
            write(group / name, benchmark.items[number])
            day = FIRST_DAY + number * DAY
            os.utime(group / name, (day, day))
            done(number + 1)


def _write_picture(path: Path, pixels: Any) -> None:
    from PIL import Image

    Image.fromarray(pixels).save(path)


def _write_sound(path: Path, sound: Any) -> None:
    import soundfile

    samples, rate = sound
    soundfile.write(path, samples, rate)
