"""Any table of items and captions: a row per caption, or a column per language.

*Long*: item, language, caption. *Wide*: item and one column for each language, English also as
``caption``. *Nested*: item and ``captions``: {language: text or texts}. A caption may be a list.
Items are files, relative to the table, or lie inside it (parquet with an image or audio column).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from m2m_adapters._internal.languages import is_known
from m2m_adapters._internal.media import SUFFIXES
from m2m_adapters.artifact.record import Json
from m2m_adapters.corpus.files import check_unicode
from m2m_adapters.errors import UserError
from m2m_adapters.evaluation.benchmark import Benchmark, Item
from m2m_adapters.evaluation.datasets.assemble import (
    Items,
    Missing,
    Row,
    assemble,
    below,
    is_file,
    lies_in,
)
from m2m_adapters.evaluation.datasets.table_files import KINDS, records

ITEM = ("item", "file_name", "filename", "file", "path", "image", "audio", "image_name",
        "audio_name", "image_path", "audio_path", "image_id", "audio_id", "key", "id")  # fmt: skip
LANGUAGE = ("language", "lang", "locale", "language_code", "code")
CAPTION = ("captions", "caption", "text", "texts", "sentence", "title")
MEDIA = ("image", "audio")


def read(
    place: Path,
    *,
    items: Path | None = None,
    allow_missing: Missing = False,
    modality: str | None = None,
) -> Benchmark:
    """A table, or a folder with ``captions.jsonl`` (csv, tsv, parquet; ``metadata.*`` too)."""
    # Resolved, because "." and ".." have no name of their own.
    name = place.stem if place.is_file() else place.resolve().name
    return read_named(
        name, modality, place, items=items, allow_missing=allow_missing, license="", notes=""
    )


def read_named(
    name: str,
    modality: str | None,
    place: Path,
    *,
    items: Path | None,
    allow_missing: Missing,
    license: str,
    notes: str,
    split: str = "test",
) -> Benchmark:
    """A benchmark from the tables in ``place``; modality None: by the suffixes of the items."""
    tables = tables_in(place, split)
    rows: list[Row] = []
    media: dict[str, Item] = {}
    for path in tables:
        for item, inside, code, text in caption_rows(records(path), path):
            rows.append((item, code, text))
            if item not in media or inside is not None:
                media[item] = inside
    if not rows:
        raise UserError(f"{tables[0]} holds no caption", "give item, language and caption")
    kind = _kind(media, modality, tables[0])
    near = list(dict.fromkeys([tables[0].parent, place if place.is_dir() else place.parent]))
    media = _located(media, kind, [items] if items else near)
    return assemble(
        name, kind, rows, media, allow_missing=allow_missing,
        where=items or place, license=license, notes=notes,
    )  # fmt: skip


def _located(
    media: Mapping[str, Item | None], kind: str, folders: list[Path]
) -> dict[str, Item | None]:
    """Items that do not lie in the table: their files, None where a file is not there."""
    if kind in SUFFIXES:
        files = Items(folders, kind)
        return {k: v if v is not None else files.find(k) for k, v in media.items()}
    # Of another modality: a file beside the table, else the name is what the target takes.
    return {k: v if v is not None else _beside(k, folders) for k, v in media.items()}


def _beside(name: str, folders: list[Path]) -> Item | None:
    """The file of that name, None if it lies elsewhere, and the name itself if there is none."""
    path = next((f / name for f in folders if is_file(f / name)), None)
    if path is None:
        return name
    return path if any(lies_in(f, path) for f in folders) else None


def has_table(place: Path) -> bool:
    """Whether a path is a table, or a folder with one."""
    if place.is_file():
        return place.name.removesuffix(".gz").endswith(KINDS)
    return bool(place.is_dir() and _named(place))


def _named(folder: Path) -> list[Path]:
    names = [f"{stem}{kind}{gz}" for stem in ("captions", "metadata")
             for kind in KINDS for gz in ("", ".gz")]  # fmt: skip
    for name in names:
        if (folder / name).is_file():
            return [folder / name]
    return []


def tables_in(place: Path, split: str = "test") -> list[Path]:
    """The table itself, the folder's ``captions`` or ``metadata`` file, or shards of a split."""
    if place.is_file():
        return [place]
    tables = _named(place) or _named(place / split) or below(place, f"{split}*.parquet")
    if not tables:
        tables = below(place, *(f"metadata{kind}" for kind in KINDS))[:1]
    if not tables:
        raise UserError(
            f"{place} holds no captions file",
            "write captions.jsonl, captions.csv or captions.parquet: item, language, caption",
        )
    return tables


class Columns(NamedTuple):
    """Names of a table's columns; wide: column -> language, of columns that are languages."""

    item: str
    language: str | None
    caption: str | None
    wide: dict[str, str]


def caption_rows(table: Iterable[Json], path: Path) -> Iterator[tuple[str, Item | None, str, str]]:
    """(item's name, item if it lies in the table, language, caption)."""
    known: dict[tuple[str, ...], Columns] = {}
    for number, record in enumerate(table, start=1):
        where = f"{path}, row {number}"
        keys = tuple(record)
        if keys not in known:
            known[keys] = _columns(record, where)
        columns = known[keys]
        item, inside = _item(record[columns.item], record, where)
        for code, value in _captions(record, columns, where).items():
            for text in _texts(value, where):
                yield item, inside, code, text


def _captions(record: Json, columns: Columns, where: str) -> Json:
    """Language -> caption, captions or nothing, as the row holds them."""
    captions = {code: record.get(column) for column, code in columns.wide.items()}
    if columns.caption is None:
        return captions
    value = record.get(columns.caption)
    if isinstance(value, dict):
        return captions | value
    if columns.language is None:
        return captions | {"en": value}
    code = record.get(columns.language)
    if not isinstance(code, str) or not code.strip():
        raise UserError(f"{where}: no language", f"fill the column '{columns.language}'")
    return captions | {code: value}


def _texts(value: object, where: str) -> Iterator[str]:
    """The captions in a cell: one text, a list of them, or none."""
    listed = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    for text in listed:
        if text is None or (isinstance(text, str) and not text.strip()):
            continue  # not every item has a caption in every language
        if not isinstance(text, str):
            raise UserError(
                f"{where}: a caption is {type(text).__name__}, not text", "correct the row"
            )
        check_unicode(text, f"{where}: a caption")
        yield text


def _columns(record: Json, where: str) -> Columns:
    lower = {str(name).strip().lower(): name for name in reversed(list(record))}

    def first(names: Sequence[str]) -> str | None:
        return next((lower[name] for name in names if name in lower), None)

    media = next((lower[n] for n in MEDIA if isinstance(record.get(lower.get(n, n)), dict)), None)
    item, language, caption = media or first(ITEM), first(LANGUAGE), first(CAPTION)
    taken = {item, language, caption}
    wide = {}
    if language is None:
        for name in record:
            bare = str(name).split("(")[0].strip()
            if name in taken or not is_known(bare):
                continue
            if bare.lower() == "id" and not is_text(record[name]):
                continue  # a number, not Indonesian
            wide[str(name)] = bare
    if item is None or (caption is None and not wide):
        raise UserError(
            f"{where}: cannot tell items and captions apart (columns: {', '.join(record)})",
            "call the columns item, language and caption",
        )
    return Columns(item, language, caption, wide)


def is_text(value: object) -> bool:
    return isinstance(value, str) and " " in value.strip()


def _item(value: object, record: Json, where: str) -> tuple[str, Item | None]:
    if isinstance(value, dict):  # as the hub's parquet files hold pictures and sounds
        inside = value.get("bytes")
        if inside is not None and not isinstance(inside, bytes):
            raise UserError(
                f"{where}: the item's bytes are {type(inside).__name__}",
                "store them in a binary column of a parquet file, or name a file",
            )
        name = next(
            (record[n] for n in ("image_name", "audio_name", "file_name") if record.get(n)),
            value.get("path"),
        )
        if not name:
            if not inside:
                raise UserError(f"{where}: the item is empty", "drop the row")
            name = hashlib.sha256(inside).hexdigest()[:16]
        return str(name), inside
    if value is None or not str(value).strip():
        raise UserError(f"{where}: the item has no name", "fill it in or drop the row")
    check_unicode(str(value), f"{where}: the item's name")
    return str(value).strip(), None


def _kind(media: Mapping[str, Item], modality: str | None, path: Path) -> str:
    """image or audio, by the items' suffixes; else what was asked for."""
    suffixes = {Path(name).suffix.lower() for name in media}
    for kind, known in SUFFIXES.items():
        if suffixes <= set(known):
            return kind
    if modality is None:
        raise UserError(
            f"{path}: cannot tell whether the items are images or sounds",
            "give their names with a suffix, such as .jpg or .wav",
        )
    return modality
