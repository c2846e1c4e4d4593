"""Answers: one :class:`Hit` for each item, best first, shown as pictures in a notebook."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, Protocol, overload

from msgspec import Struct

from m2m_adapters.search.media import Preview
from m2m_adapters.search.metadata import Item


class Previews(Protocol):
    """What a list of hits needs from an index: thumbnails and peaks of its items."""

    def preview(self, item: Item) -> Preview:
        """Thumbnail or peaks of an item."""


class Hit(Struct, frozen=True):
    """One answer.

    score: cosine to the query, plus the item's bias where the adapter has an English bank. start,
    end: seconds of the window of a long sound; None for a whole item. index: the folder of its
    index. number: of the item in this generation of the index.
    """

    score: float
    item: Item
    row: int
    start: float | None
    end: float | None
    index: str
    number: int

    @property
    def path(self) -> str:
        return self.item.path

    def as_dict(self) -> dict[str, Any]:
        """For JSON: the known fields only."""
        item = self.item
        fields = {
            "score": round(self.score, 6), "path": item.path, "modality": item.modality,
            "start": self.start, "end": self.end, "width": item.width, "height": item.height,
            "duration": item.duration, "date": item.date, "size": item.size or None,
            "text": item.text, "row": self.row, "index": self.index,
        }  # fmt: skip
        return {key: value for key, value in fields.items() if value is not None}


@dataclass(frozen=True)
class Hits(Sequence[Hit]):
    """The answers to one query. query: how it was written."""

    query: str
    hits: list[Hit]
    indexes: Mapping[str, Previews] = field(repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.hits)

    @overload
    def __getitem__(self, at: int) -> Hit: ...
    @overload
    def __getitem__(self, at: slice) -> list[Hit]: ...
    def __getitem__(self, at: int | slice) -> Hit | list[Hit]:
        return self.hits[at]

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)

    def thumbnail(self, hit: Hit) -> bytes | None:
        """A small JPEG of a picture."""
        return self.indexes[hit.index].preview(hit.item).thumbnail

    def _repr_html_(self) -> str:
        cells = "".join(self.figure(hit) for hit in self.hits)
        return (
            f'<div><p dir="auto"><b>{escape(self.query)}</b></p>'
            f'<div style="display:flex;flex-wrap:wrap;gap:8px">{cells}</div></div>'
        )

    def figure(self, hit: Hit) -> str:
        """A hit as an HTML element that needs nothing else."""
        preview = self.indexes[hit.index].preview(hit.item)
        name = escape(hit.item.name or hit.path, quote=True)
        if preview.thumbnail:
            data = base64.b64encode(preview.thumbnail).decode()
            shown = (
                f'<img src="data:image/jpeg;base64,{data}" alt="{name}" loading="lazy" '
                'style="max-width:160px;max-height:160px">'
            )
        elif preview.peaks:
            shown = waveform(preview.peaks, hit)
        else:
            shown = ""
        seconds = "" if hit.start is None else f" at {hit.start:.0f} s"
        text = escape((hit.item.text or "")[:200])
        words = f'<br><span dir="auto">{text}</span>' if text else ""
        return (
            f'<figure style="margin:0;max-width:200px" title="{escape(hit.path, quote=True)}">'
            f'{shown}<figcaption style="font-size:12px;overflow-wrap:anywhere">{hit.score:.3f} '
            f"{name}{seconds}{words}</figcaption></figure>"
        )


def waveform(peaks: bytes, hit: Hit) -> str:
    """An SVG of the peaks, the window that was found in another color."""
    half, width, duration = 24, len(peaks), hit.item.duration or 0.0
    top = " ".join(f"{x},{half - peak * half / 255:.0f}" for x, peak in enumerate(peaks))
    low = " ".join(f"{x},{half + peak * half / 255:.0f}"
                   for x, peak in reversed(list(enumerate(peaks))))  # fmt: skip
    mark = ""
    if hit.start is not None and hit.end is not None and duration:
        left, right = width * hit.start / duration, width * hit.end / duration
        mark = (f'<rect x="{left:.0f}" y="0" width="{right - left:.0f}" height="{2 * half}" '
                'fill="#ffd8a8"/>')  # fmt: skip
    return (
        f'<svg viewBox="0 0 {width} {2 * half}" width="200" height="48" role="img" '
        f'preserveAspectRatio="none" aria-label="loudness">{mark}'
        f'<polygon points="{top} {low}" fill="#4c8dd6"/></svg>'
    )
