"""Embeddings on disk, by encoder and by text.

One *section* for each encoder fingerprint (which covers its prompt, precision and length) and
number format. On it lie shards of vectors keyed by a digest of the text, so that one pass over
a corpus serves every later alignment. A section does not depend on the rows of a corpus.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from msgspec import Meta, Struct, convert

from m2m_adapters._internal.files import cache_folder, whole_file
from m2m_adapters.embeddings.shard import Keys, Shard, damage, drop, keys_of, write_shard
from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import TextEncoder, Vectors
from m2m_adapters.projectors.rows import TokenStates

ABOUT, USED, LOCK = "about.json", "used", "lock"
DTYPES: dict[str, type[np.floating]] = {"fp32": np.float32, "fp16": np.float16}
Rows = npt.NDArray[np.int64]


class Store:
    """All sections under one folder."""

    def __init__(self, folder: str | Path | None = None, dtype: str = "fp32") -> None:
        if dtype not in DTYPES:
            raise UserError(f"'{dtype}' is not a number format of the store", "use fp32 or fp16")
        self.folder = Path(folder) if folder is not None else cache_folder()
        self.dtype = dtype

    def section(self, encoder: TextEncoder) -> Section | None:
        """The encoder's section; None if its fingerprint cannot identify it exactly."""
        return self.section_of(encoder.fingerprint, encoder.dim)

    def section_of(
        self, fingerprint: str, dim: int, *, dtype: str | None = None, states: bool = False
    ) -> Section | None:
        """The section of the encoder with this fingerprint. states: of token states."""
        if fingerprint.startswith("probe:"):
            return None
        about: dict[str, object] = {
            "fingerprint": fingerprint,
            "dim": dim,
            "dtype": dtype or self.dtype,
        }
        if states:
            about["rows"] = "token states"
        return Section(self._vectors / _name(about), about)

    @property
    def _vectors(self) -> Path:
        return self.folder / "vectors"

    def sections(self) -> Iterator[Section]:
        """Every readable section there is."""
        for folder in sorted(self._vectors.glob("*/")):
            if (about := _read_about(folder)) is not None:
                yield Section(folder, about)

    def verify(self, *, mend: bool = False) -> list[tuple[Path, str]]:
        """Every damaged file and what is wrong with it; ``mend`` removes them.

        Shards whose ``about.json`` is damaged stay: their encoder writes it again.
        """
        damaged: list[tuple[Path, str]] = []
        good = {section.folder for section in self.sections()}
        for folder in sorted(self._vectors.glob("*/")):
            if folder not in good:
                damaged.append((folder / ABOUT, "does not describe its folder"))
            for path in sorted(folder.glob("*.shard")):
                with suppress(FileNotFoundError):  # deleted by another process
                    if wrong := damage(path):
                        damaged.append((path, wrong))
        if mend:
            for path, _ in damaged:
                drop(path)
        return damaged

    def all_sections(self) -> Iterator[Section]:
        """Every section, also one without a readable description: it has a size and an age."""
        return (Section(folder, NOBODYS) for folder in self._vectors.glob("*/"))


class About(Struct, frozen=True, forbid_unknown_fields=True):
    """``about.json``: the encoder of a section, and the format of its vectors."""

    fingerprint: str
    dim: Annotated[int, Meta(ge=1, lt=1 << 31)]
    dtype: Literal["fp32", "fp16"]
    rows: Literal["vectors", "token states"] = "vectors"


NOBODYS: dict[str, object] = {"fingerprint": "", "dim": 1, "dtype": "fp32"}


def _read_about(folder: Path) -> dict[str, object] | None:
    """A section's description; None if it cannot be read or belongs to another folder."""
    try:
        text = (folder / ABOUT).read_text(encoding="utf-8")
        about: dict[str, object] = json.loads(text)
        convert(about, About, strict=True)
    except (OSError, ValueError, RecursionError):
        return None
    return about if _told(about) == text and _name(about) == folder.name else None


def _told(about: dict[str, object]) -> str:
    return json.dumps(about, sort_keys=True, ensure_ascii=False)


def _name(about: dict[str, object]) -> str:
    return hashlib.sha256(_told(about).encode()).hexdigest()[:32]


def _chosen(
    rows: Vectors | TokenStates, new: Rows, kind: type[np.floating]
) -> npt.NDArray[np.floating] | TokenStates:
    if isinstance(rows, TokenStates):
        return TokenStates.join([rows[i].astype(kind) for i in new], rows.width)
    chosen: npt.NDArray[np.floating] = rows[new].astype(kind)
    return chosen


@dataclass
class _Index:
    """Sorted keys with the shard and row of each."""

    keys: Keys
    shard: npt.NDArray[np.int32]
    row: npt.NDArray[np.int64]

    @classmethod
    def sorted(cls, keys: Keys, shard: npt.NDArray[np.int32], row: Rows) -> _Index:
        order = np.argsort(keys[:, 0], kind="stable")
        return cls(keys[order], shard[order], row[order])

    def find(self, keys: Keys) -> Rows:
        """Places in the index, -1 for keys that are not there."""
        place = np.searchsorted(self.keys[:, 0], keys[:, 0])
        place = np.minimum(place, len(self.keys) - 1).astype(np.int64)
        return np.where((self.keys[place] == keys).all(1), place, -1)


class Section:
    """The stored vectors of one encoder."""

    def __init__(self, folder: Path, about: dict[str, object]) -> None:
        self.folder, self.about = folder, about
        self.dim = int(str(about["dim"]))
        self.holds_states = about.get("rows") == "token states"
        self._shards: dict[str, Shard] = {}  # in the order they were met; indices stay valid
        self._numbered: list[Shard] = []
        self._indices: list[_Index] = []

    @property
    def last_used(self) -> float:
        try:
            return (self.folder / USED).stat().st_mtime
        except OSError:
            return 0.0

    @property
    def size(self) -> int:
        total = 0
        for path in self.folder.glob("*.shard"):
            with suppress(FileNotFoundError):  # deleted by another process
                total += path.stat().st_size
        return total

    def __len__(self) -> int:
        self._refresh()
        return sum(len(index.keys) for index in self._indices)

    def _refresh(self) -> None:
        """Read new shards; start over when some were deleted."""
        names = {path.name for path in self.folder.glob("*.shard")}
        if self._shards.keys() - names:
            self._shards, self._numbered, self._indices = {}, [], []
        for name in sorted(names - self._shards.keys()):
            try:
                shard = Shard(self.folder / name)
            except FileNotFoundError:  # deleted by another process
                continue
            if shard.rows.shape[1] != self.dim or (shard.ends is not None) != self.holds_states:
                raise UserError(
                    f"{shard.path} does not match the description of its folder",
                    "run `m2m cache verify --mend`",
                )
            number = np.full(len(shard), len(self._numbered), np.int32)
            self._shards[name] = shard
            self._numbered.append(shard)
            if len(shard):
                self._indices.append(
                    _Index.sorted(np.array(shard.keys), number, np.arange(len(shard)))
                )
            # Few indices of growing size: a new shard costs its own length, now and then more.
            while len(self._indices) > 1 and 2 * len(self._indices[-1].keys) >= len(
                self._indices[-2].keys
            ):
                b, a = self._indices.pop(), self._indices.pop()
                self._indices.append(
                    _Index.sorted(
                        np.concatenate([a.keys, b.keys]),
                        np.concatenate([a.shard, b.shard]),
                        np.concatenate([a.row, b.row]),
                    )
                )

    def find(self, texts: Sequence[str]) -> Rows:
        """int64 ``[n, 2]``: shard and row of each text for :meth:`read`, -1 where not stored."""
        self._refresh()
        return self._find(keys_of(texts))

    def _find(self, keys: Keys) -> Rows:
        out = np.full((len(keys), 2), -1, np.int64)
        for index in self._indices:
            place = index.find(keys)
            there = place >= 0
            out[there, 0] = index.shard[place[there]]
            out[there, 1] = index.row[place[there]]
        return out

    def read(self, places: Rows) -> Vectors:
        """float32 ``[n, dim]`` of places that the last :meth:`find` returned, none of them -1."""
        if (places < 0).any():
            raise ValueError("a text that is not stored cannot be read")
        out = np.empty((len(places), self.dim), np.float32)
        for which in np.unique(places[:, 0]):
            in_shard = np.flatnonzero(places[:, 0] == which)
            out[in_shard] = self._numbered[which].rows[places[in_shard, 1]]
            self._numbered[which].release()
        return out

    def read_states(self, places: Rows) -> TokenStates:
        """Token states of places that :meth:`find` gave, as they are stored."""
        parts = [self._numbered[shard].states(text) for shard, text in places]
        for shard in np.unique(places[:, 0]):
            self._numbered[shard].release()
        return TokenStates.join(parts, self.dim)

    def add(self, texts: Sequence[str], vectors: Vectors | TokenStates) -> None:
        """Store rows of new texts in one shard; what another process stored meanwhile stays."""
        from filelock import FileLock

        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self.folder / LOCK):
                self._describe()
                (self.folder / USED).touch()
                keys = keys_of(texts)
                _, first = np.unique(keys, axis=0, return_index=True)
                self._refresh()
                new = np.sort(first[self._find(keys[first])[:, 0] < 0])
                if len(new):
                    kind = DTYPES[str(self.about["dtype"])]
                    name = f"{len(self._shards):08d}-{uuid.uuid4().hex[:12]}.shard"
                    write_shard(self.folder / name, keys[new], _chosen(vectors, new, kind))
        except OSError as error:
            raise UserError(
                f"cannot store vectors in {self.folder}: {error.strerror or error}",
                "set M2M_CACHE to a writable folder, or use --no-cache",
            ) from error

    def touch(self) -> None:
        """Note that the section was used, for `m2m cache prune`; restore a lost ``about.json``."""
        with suppress(OSError, UserError):
            (self.folder / USED).touch()
            self._describe()

    def _describe(self) -> None:
        if not (self.folder / ABOUT).exists():
            with whole_file(self.folder / ABOUT) as temporary:
                temporary.write_text(_told(self.about), encoding="utf-8")
