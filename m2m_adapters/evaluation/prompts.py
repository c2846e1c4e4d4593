"""A benchmark of prompts: meanings, a prompt for each in every language, and who judges."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from m2m_adapters._internal.languages import language, normalize_tag
from m2m_adapters.artifact.record import Json
from m2m_adapters.errors import UserError
from m2m_adapters.evaluation.judges import PictureJudge

REFERENCE = "en"


@dataclass(frozen=True)
class Prompts:
    """The same meanings in several languages, English among them; there are no items.

    captions: language -> one prompt for each meaning, in one order.
    judge: knows the meanings in that order; None where only a scorer can judge.
    why_no_judge: what to say when ``judge`` is None although there should be one.
    """

    name: str
    modality: str
    captions: Mapping[str, Sequence[str]]
    judge: PictureJudge | None = None
    license: str = ""
    notes: str = ""
    why_no_judge: str = ""

    def __post_init__(self) -> None:
        where = f"the benchmark '{self.name}'"
        captions = {}
        for written, texts in self.captions.items():
            code = normalize_tag(written)
            if code in captions:  # two varieties of one language: keep what tells them apart
                code = written.strip().lower().replace("_", "-")
            captions[code] = list(texts)
        if REFERENCE not in captions:
            raise UserError(
                f"{where} has no English prompts", "everything is compared with English: add them"
            )
        n = len(captions[REFERENCE])
        if not n:
            raise UserError(f"{where} has no prompts", "check its file")
        for code, texts in captions.items():
            if len(texts) != n:
                raise UserError(
                    f"{where}: {len(texts)} prompts in '{code}', {n} in English",
                    "give every meaning a prompt in every language, or leave the language out",
                )
            for place, text in enumerate(texts):
                if not isinstance(text, str) or not text.strip():
                    raise UserError(
                        f"{where}: prompt {place + 1} in '{code}' is empty", "correct it"
                    )
        object.__setattr__(self, "captions", captions)

    def __len__(self) -> int:
        return len(self.captions[REFERENCE])

    @property
    def languages(self) -> list[str]:
        """Codes, English first."""
        return sorted(self.captions, key=lambda code: (code != REFERENCE, code))

    @property
    def digest(self) -> str:
        """sha256 over the prompts."""
        digest = hashlib.sha256()
        for code in self.languages:
            digest.update("\n".join([code, *self.captions[code], ""]).encode())
        return digest.hexdigest()

    def only(self, langs: Sequence[str] | None = None, limit: int | None = None) -> Prompts:
        """Some languages (English stays) and the first ``limit`` meanings."""
        chosen = self.languages
        if langs is not None:
            for code in langs:
                if normalize_tag(code) not in self.captions and code not in self.captions:
                    raise UserError(
                        f"the benchmark '{self.name}' has no {language(code).name} ('{code}')",
                        f"it has {', '.join(self.languages)}",
                    )
            wanted = {code if code in self.captions else normalize_tag(code) for code in langs}
            chosen = [code for code in self.languages if code in wanted | {REFERENCE}]
        if limit is not None and limit < 1:
            raise UserError(f"--limit must be 1 or more, not {limit}")
        return replace(self, captions={code: self.captions[code][:limit] for code in chosen})

    def describe(self) -> Json:
        """What a result says of its benchmark."""
        return {
            "name": self.name,
            "modality": self.modality,
            "prompts": len(self),
            "languages": self.languages,
            "digest": self.digest,
            "license": self.license,
            "notes": self.notes,
        }


def read_prompts(place: Path, modality: str) -> Prompts:
    """A table of captions, or a folder with one; items it may name are not looked at.

    A column for each language (a row is a meaning), or columns id, language and caption. Of
    several captions for one meaning in one language the first counts.
    """
    from m2m_adapters.evaluation.datasets.table import ITEM, caption_rows, is_text, tables_in
    from m2m_adapters.evaluation.datasets.table_files import records

    def named(row: Json, number: int) -> Json:
        there = {str(name).strip().lower(): value for name, value in row.items()}
        # A column "id" that holds sentences is Indonesian.
        named = any(name in ITEM and not (name == "id" and is_text(there[name])) for name in there)
        return row if named else {"item": str(number), **row}

    by_language: dict[str, dict[str, str]] = {}
    for path in tables_in(place):
        rows = (named(row, number) for number, row in enumerate(records(path)))
        for meaning, _, code, text in caption_rows(rows, path):
            by_language.setdefault(code, {}).setdefault(meaning, text)
    if not by_language:
        raise UserError(f"{place} holds no prompts", "give a column for each language")
    meanings = list(
        dict.fromkeys(meaning for prompts in by_language.values() for meaning in prompts)
    )
    for code, prompts in by_language.items():
        if len(prompts) < len(meanings):
            lacking = next(meaning for meaning in meanings if meaning not in prompts)
            raise UserError(
                f"{place}: {len(meanings) - len(prompts)} of {len(meanings)} meanings have no "
                f"prompt in '{code}' (the first is '{lacking[:40]}')",
                "a row for each meaning with a column for each language; or id, language, caption",
            )
    return Prompts(
        place.stem if place.is_file() else place.resolve().name,
        modality,
        {code: [prompts[meaning] for meaning in meanings] for code, prompts in by_language.items()},
    )
