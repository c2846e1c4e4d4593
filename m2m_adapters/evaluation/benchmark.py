"""A benchmark: items, captions by language, and which item each caption describes."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from m2m_adapters._internal.languages import language, normalize_tag
from m2m_adapters.artifact.record import Json
from m2m_adapters.errors import UserError

Owners = npt.NDArray[np.int64]
"""int64 ``[m]``: the index of the item that each of m captions describes."""

Item: TypeAlias = Any
"""Whatever the target's ``encode_items`` takes: a path, a picture, an array."""

PROTOCOLS = {
    "all": "every caption is a query; an item's captions are all hits for it",
    "xtd": "caption i is the only hit for item i, as XTD10 is scored in the literature",
    "clip-benchmark": "only the first caption of each item, as CLIP_benchmark does",
}


@dataclass(frozen=True)
class Benchmark:
    """Items with captions in several languages.

    items: whatever the target's ``encode_items`` takes (paths, pictures, arrays): a sequence,
        which may make its items when they are asked for.
    captions: language -> captions. owners: language -> int array ``[captions]`` with the index
        of each caption's item; a language left out has one caption per item, in item order.
    names: what reports call the items; their paths or numbers otherwise.
    missing: names of items that were published but are not there, for ``--allow-missing``.
    unreadable: name -> reason, of items that were there and could not be read (``--skip-bad``).
    """

    name: str
    modality: str
    items: Sequence[Item]
    captions: Mapping[str, Sequence[str]]
    owners: Mapping[str, Any] = field(default_factory=dict)
    names: Sequence[str] | None = None
    missing: Sequence[str] = ()
    unreadable: Mapping[str, str] = field(default_factory=dict)
    license: str = ""
    notes: str = ""

    def __post_init__(self) -> None:
        captions: dict[str, list[str]] = {}
        owners: dict[str, Owners] = {}
        for written, texts in self.captions.items():
            code = normalize_tag(written)
            if code in captions:  # two varieties of one language: keep what tells them apart
                code = written.strip().lower().replace("_", "-")
            if code in captions:
                raise UserError(
                    f"the benchmark '{self.name}' has the language '{written}' twice",
                    "give each language one code",
                )
            owners_given = self.owners.get(written, self.owners.get(code))
            captions[code] = list(texts)
            owners[code] = self._checked(written, captions[code], owners_given)
        if not captions:
            raise UserError(f"the benchmark '{self.name}' has no captions", "check its files")
        if not len(self.items):
            raise UserError(f"the benchmark '{self.name}' has no items", "check its files")
        if self.names is not None and len(self.names) != len(self.items):
            raise UserError(
                f"the benchmark '{self.name}' names {len(self.names)} of {len(self.items)} items",
                "give one name for each item",
            )
        object.__setattr__(self, "captions", captions)
        object.__setattr__(self, "owners", owners)

    def _checked(self, code: str, texts: list[str], owners_given: npt.ArrayLike | None) -> Owners:
        where = f"the benchmark '{self.name}', language '{code}'"
        n = len(self.items)
        if not texts:
            raise UserError(f"{where}: no captions", "leave the language out")
        if owners_given is None:
            if len(texts) != n:
                raise UserError(
                    f"{where}: {len(texts)} captions for {n} items",
                    "give owners: the index of each caption's item",
                )
            owners = np.arange(n, dtype=np.int64)
        else:
            owners = np.asarray(owners_given)
            if owners.shape != (len(texts),) or owners.dtype.kind not in "iu":
                raise UserError(
                    f"{where}: owners of shape {list(owners.shape)} and kind {owners.dtype} "
                    f"for {len(texts)} captions",
                    "give one whole number for each caption",
                )
            owners = owners.astype(np.int64)
            if len(owners) and (owners.min() < 0 or owners.max() >= n):
                raise UserError(
                    f"{where}: an owner is outside 0..{n - 1}", "owners are indices of items"
                )
        for place, text in enumerate(texts):
            if not isinstance(text, str) or not text.strip():
                raise UserError(f"{where}: caption {place} is empty", "drop or correct it")
        return owners

    @property
    def languages(self) -> list[str]:
        """Codes, English first, then in the order of the table."""
        return sorted(self.captions, key=lambda code: (code != "en", code))

    def item_name(self, index: int) -> str:
        if self.names is not None:
            return str(self.names[index])
        item = self.items[index]
        return str(item) if hasattr(item, "__fspath__") or isinstance(item, str) else f"#{index}"

    @property
    def digest(self) -> str:
        """sha256 over captions and owners: which text was asked, and what counts as found."""
        digest = hashlib.sha256(f"{len(self.items)}\n".encode())
        for code in self.languages:
            digest.update(f"{code}\n".encode())
            for text, owner in zip(self.captions[code], self.owners[code], strict=True):
                digest.update(f"{owner}\t{text}\n".encode())
        return digest.hexdigest()

    def describe(self) -> Json:
        """What a result says of its benchmark."""
        return {
            "name": self.name,
            "modality": self.modality,
            "items": len(self.items),
            "captions": {code: len(self.captions[code]) for code in self.languages},
            "missing": len(self.missing),
            "missing items": list(self.missing),
            "unreadable items": dict(self.unreadable),
            "digest": self.digest,
            "license": self.license,
            "notes": self.notes,
        }

    def only(self, wanted: Sequence[str] | None) -> Benchmark:
        """The same with some languages only; English stays where it is."""
        if wanted is None:
            return self
        chosen: list[str] = []
        for code in wanted:
            key = code if code in self.captions else normalize_tag(code)
            if key not in self.captions:
                have = ", ".join(self.languages)
                raise UserError(
                    f"the benchmark '{self.name}' has no {language(code).name} ('{code}')",
                    f"it has {have}",
                )
            chosen.append(key)
        if "en" in self.captions and "en" not in chosen:
            chosen.insert(0, "en")  # everything is compared with English
        return self._with(
            {code: list(self.captions[code]) for code in chosen},
            {code: self.owners[code] for code in chosen},
        )

    def _with(self, captions: dict[str, list[str]], owners: dict[str, Owners]) -> Benchmark:
        # Not ``replace``: it would normalize again, and pt-br without pt would become pt.
        copied = copy.copy(self)
        object.__setattr__(copied, "captions", captions)
        object.__setattr__(copied, "owners", owners)
        return copied

    def without(self, unreadable: Mapping[int, str]) -> Benchmark:
        """The same without some items (index -> why it could not be read) and their captions."""
        if not unreadable:
            return self
        kept = [i for i in range(len(self.items)) if i not in unreadable]
        if not kept:
            raise UserError(
                f"none of the {len(self.items):,} items of '{self.name}' can be read: "
                f"{next(iter(unreadable.values()))}",
                "check the files",
            )
        new_index = np.full(len(self.items), -1, np.int64)
        new_index[kept] = np.arange(len(kept))
        captions: dict[str, list[str]] = {}
        owners: dict[str, Owners] = {}
        for code in self.captions:
            moved = new_index[self.owners[code]]
            rows = np.flatnonzero(moved >= 0).tolist()
            if rows:
                captions[code] = [self.captions[code][i] for i in rows]
                owners[code] = moved[rows]
        names = [self.item_name(i) for i in range(len(self.items))]
        smaller = self._with(captions, owners)
        object.__setattr__(smaller, "items", [self.items[i] for i in kept])
        object.__setattr__(smaller, "names", [names[i] for i in kept])
        object.__setattr__(
            smaller,
            "unreadable",
            {**self.unreadable, **{names[i]: reason for i, reason in unreadable.items()}},
        )
        return smaller

    def under(self, protocol: str) -> Benchmark:
        """The captions that a protocol counts; see :data:`PROTOCOLS`."""
        if protocol not in PROTOCOLS:
            raise UserError(f"unknown protocol '{protocol}'", f"one of {', '.join(PROTOCOLS)}")
        if protocol == "all":
            return self
        captions: dict[str, list[str]] = {}
        owners: dict[str, Owners] = {}
        for code in self.languages:
            _, first = np.unique(self.owners[code], return_index=True)
            captions[code] = [self.captions[code][i] for i in first]
            owners[code] = self.owners[code][first]
            if protocol == "xtd" and len(first) != len(self.captions[code]):
                raise UserError(
                    f"protocol xtd needs one caption per item; '{code}' has "
                    f"{len(self.captions[code])} for {len(first)}",
                    "use clip-benchmark for the first captions, or all",
                )
        return self._with(captions, owners)


class LazyItems(Sequence[Item]):
    """``n`` items that ``make(index)`` produces when they are asked for."""

    def __init__(self, n: int, make: Callable[[int], Item]) -> None:
        self._n, self._make = n, make

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, index: Any) -> Item:
        if isinstance(index, slice):
            return [self._make(i) for i in range(*index.indices(self._n))]
        if not -self._n <= index < self._n:
            raise IndexError(index)
        return self._make(index % self._n)
