"""Which files hold items of which modality, by their names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

SUFFIXES = {
    "image": (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"),
    "audio": (".wav", ".flac", ".mp3", ".ogg", ".m4a", ".opus"),
}
NO_ITEMS = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet", ".md", ".db", ".ini", ".gz")
"""Files that lie beside items: tables of captions, notes, what file managers leave."""


def item_files(folder: Path, modality: str | None = None) -> Iterator[Path]:
    """The items in a folder and below it, sorted; hidden files and those of other types are not.

    modality: ``image`` or ``audio``; of another, whose file types are not known, every file that
    is not a table or the like.
    """
    suffixes = SUFFIXES.get(modality or "")
    for file in sorted(folder.rglob("*")):
        if any(part.startswith(".") for part in file.relative_to(folder).parts):
            continue
        suffix = file.suffix.lower()
        wanted = suffix in suffixes if suffixes else suffix not in NO_ITEMS
        if wanted and file.is_file():
            yield file
