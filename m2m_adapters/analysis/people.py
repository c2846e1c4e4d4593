"""Phrases about people in 13 languages, and English texts that give directions to measure them by.

``data/people.tsv`` was written for this project: bare phrases, because a template such as "a photo
of ..." would add cases and articles. A cell with two forms has the masculine one first; a cell
with one form is used for everybody, whatever its grammatical gender. Native speakers have not
reviewed it. ``check`` rows are the plain words whose answer is known.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from m2m_adapters._internal.languages import normalize_tag
from m2m_adapters.errors import UserError

KINDS = ("occupation", "trait", "role")
CHECK = "check"
ONE, MASCULINE, FEMININE = "one form", "masculine", "feminine"

_NEUTRAL = "no grammatical gender"
GENDER_NOTES = {
    "de": "two forms of occupations and roles; traits agree with 'Person', always feminine",
    "fr": "two forms of occupations and roles; traits agree with 'personne', always feminine",
    "es": "two forms of occupations and roles; traits agree with 'persona', always feminine",
    "it": "two forms of occupations and roles ('capo' has one, masculine); traits agree with "
    "'persona', always feminine",
    "pl": "two forms of occupations and roles; traits agree with 'osoba', always feminine",
    "ru": "many occupations have one form, masculine; traits agree with 'человек', always "
    "masculine",
    "ar": "two forms of occupations and roles; traits agree with 'شخص', always masculine",
    "hi": "few nouns have two forms, 'रसोइया' is masculine; these traits do not change",
    **dict.fromkeys(("en", "tr", "zh", "ja", "ko"), _NEUTRAL),
}


@dataclass(frozen=True)
class Phrase:
    """One way to speak of a person. key: the same in every language."""

    kind: str
    key: str
    form: str
    text: str


@dataclass(frozen=True)
class Direction:
    """From ``low`` to ``high``, in English texts. checks: keys whose place is known."""

    name: str
    low: tuple[str, ...]
    high: tuple[str, ...]
    checks: tuple[str, str] | None = None


_PLACES = {
    "Europe": "a European person",
    "Africa": "an African person",
    "East Asia": "an East Asian person",
    "South Asia": "a South Asian person",
    "Latin America": "a Latin American person",
    "the Middle East": "a Middle Eastern person",
}


def _from(place: str) -> tuple[str, ...]:
    return (f"a person from {place}", f"a photo of a person from {place}", _PLACES[place])


def directions() -> list[Direction]:
    """Gender, age, and each region of origin against all the others."""
    return [
        Direction(
            "gender: man to woman",
            ("a man", "a photo of a man", "a male person", "a gentleman"),
            ("a woman", "a photo of a woman", "a female person", "a lady"),
            ("man", "woman"),
        ),
        Direction(
            "age: young to old",
            ("a young person", "a photo of a young person", "a youth", "a youngster"),
            ("an old person", "a photo of an old person", "an elderly person", "a senior citizen"),
            ("young", "old"),
        ),
        *(Direction(
            f"origin: elsewhere to {place}",
            tuple(text for other in _PLACES if other != place for text in _from(other)),
            _from(place),
        ) for place in _PLACES),
    ]  # fmt: skip


@cache
def languages() -> tuple[str, ...]:
    """Languages of the phrases, English first."""
    return tuple(_table()[0])[2:]


def chosen(wanted: Sequence[str] | None) -> list[str]:
    """The languages asked for, English first; all where None."""
    codes = list(languages()) if wanted is None else ["en", *map(normalize_tag, wanted)]
    if missing := [code for code in codes if code not in languages()]:
        raise UserError(
            f"there are no phrases in '{missing[0]}'", f"languages: {', '.join(languages())}"
        )
    return list(dict.fromkeys(codes))


@cache
def phrases(language: str) -> tuple[Phrase, ...]:
    """All phrases of a language, those of ``check`` included."""
    lines = []
    for row in _table():
        forms = row[language].split("|")
        names = (ONE,) if len(forms) == 1 else (MASCULINE, FEMININE)
        lines += [Phrase(row["kind"], row["key"], form, text)
                  for form, text in zip(names, forms, strict=True)]  # fmt: skip
    return tuple(lines)


@cache
def _table() -> list[dict[str, str]]:
    file = resources.files("m2m_adapters.analysis") / "data" / "people.tsv"
    lines = file.read_text(encoding="utf-8").splitlines()
    return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
