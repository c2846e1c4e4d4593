"""Do phrases about people lie nearer to one gender, age or origin, in each language?

Directions are the target's own: between the mean vectors of English texts such as "a man" and "a
woman" in its own text tower. A phrase's association is its place on that line, from -1 (where the
low texts lie in the mean) to +1 (where the high ones do). Every language is compared with English
phrase by phrase, so what a phrase means drops out and what the language adds is left.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from m2m_adapters.analysis.measures import Matrix, unit
from m2m_adapters.analysis.paired import Resamples
from m2m_adapters.analysis.people import (
    CHECK,
    FEMININE,
    GENDER_NOTES,
    MASCULINE,
    Direction,
    Phrase,
    directions,
    phrases,
)
from m2m_adapters.analysis.study import Cell, Study

Encode = Callable[[list[str]], Matrix]
Values = npt.NDArray[np.float64]
LEAST_CHECK = 0.5
"""A language whose check is lower is left out of what is said in words."""
NAMED = 3
"""Phrases that findings name at each end."""

LIMITS = (
    "it shows: where short phrases of persons lie between English texts of the target, and what a "
    "language changes in that. It cannot show: what the model does with whole sentences or "
    "pictures, harm to anybody, or more than the two ends of each line. Gender is measured on the "
    "line from man to woman because these are the target's own words; people are not on a line",
    "an association is only worth reading where the check is near 1: it is how far the language's "
    "own words (man, woman; young, old) lie apart, as a share of what the English texts do",
)


@dataclass(frozen=True)
class Line:
    """A direction in a target's space."""

    low: Values
    high: Values

    def place(self, vectors: Matrix) -> Values:
        """float64 ``[n]``: -1 at ``low``, +1 at ``high``."""
        along = self.high - self.low
        middle = (self.high + self.low) / 2
        return np.asarray((unit(vectors) - middle) @ along / (along @ along / 2))


def bias_study(
    aligned: Encode, own: Encode, languages: Sequence[str], *, model: str, seed: int = 0
) -> Study:
    """Associations by direction, language and grammatical form.

    aligned: texts of any language -> vectors in the target's space; own: English texts -> vectors
    of the target's own tower.
    """
    codes = ["en", *(code for code in languages if code != "en")]
    said = {code: phrases(code) for code in codes}
    vectors = {code: aligned([one.text for one in listed]) for code, listed in said.items()}
    rows: list[dict[str, Cell]] = []
    extremes: list[str] = []
    for direction in directions():
        line = Line(*(unit(own(list(texts))).mean(axis=0)
                      for texts in (direction.low, direction.high)))  # fmt: skip
        places = {code: line.place(vectors[code]) for code in codes}
        english = {one.key: place for one, place in zip(said["en"], places["en"], strict=True)}
        for code in codes:
            rows += _rows(direction, code, said[code], places[code], english, seed)
        extremes.append(_extremes(said["en"], places["en"]))
    notes = "; ".join(f"{code}: {GENDER_NOTES[code]}" for code in codes if code in GENDER_NOTES)
    return Study(
        "bias",
        "Do phrases about people lie nearer to one gender, age or origin, in each language?",
        model,
        "phrases about people in 13 languages",
        rows,
        findings=_findings(extremes, rows),
        warnings=[*LIMITS, f"grammatical gender: {notes}"],
    )


def _rows(
    direction: Direction,
    code: str,
    said: Sequence[Phrase],
    places: Values,
    english: Mapping[str, float],
    seed: int,
) -> list[dict[str, Cell]]:
    """A row for each grammatical form of a language."""
    check = _check(direction, said, places)
    forms: dict[str, list[int]] = {}
    for number, one in enumerate(said):
        if one.kind != CHECK:
            forms.setdefault(one.form, []).append(number)
    rows: list[dict[str, Cell]] = []
    for form, numbers in forms.items():
        here = places[numbers]
        there = np.array([english[said[i].key] for i in numbers])
        draws = Resamples(len(numbers), seed=seed)
        value, change = draws.mean(here).rounded(), draws.mean(here - there).rounded()
        rows.append({
            "direction": direction.name, "language": code, "form": form, "phrases": len(numbers),
            "association": value[0], "low": value[1], "high": value[2],
            "minus English": change[0], "minus low": change[1], "minus high": change[2],
            "correlation with English": correlation(here, there), "check": check,
        })  # fmt: skip
    return rows


def _check(direction: Direction, said: Sequence[Phrase], places: Values) -> float | None:
    """How far the language's own words for both ends lie apart; 1 as far as the English texts."""
    if direction.checks is None:
        return None
    known = {one.key: place for one, place in zip(said, places, strict=True) if one.kind == CHECK}
    low, high = (known[key] for key in direction.checks)
    return round(float(high - low) / 2, 4)


def correlation(a: Values, b: Values) -> float | None:
    """Pearson; None where one side does not vary."""
    if len(a) < 3 or min(float(a.std()), float(b.std())) < 1e-12:
        return None
    return round(float(np.corrcoef(a, b)[0, 1]), 4)


def _extremes(said: Sequence[Phrase], places: Values) -> str:
    """The phrases at both ends of a line, in words."""
    keys = [one.key for one in said if one.kind != CHECK]
    values = np.array([p for one, p in zip(said, places, strict=True) if one.kind != CHECK])
    order = np.argsort(values)
    low, high = (
        ", ".join(f"{keys[i]} ({values[i]:+.2f})" for i in end)
        for end in (order[:NAMED], order[::-1][:NAMED])
    )
    return f"lowest {low}; highest {high}"


def _findings(extremes: Sequence[str], rows: Sequence[dict[str, Cell]]) -> list[str]:
    findings = []
    for direction, ends in zip(directions(), extremes, strict=True):
        findings += [
            f"{direction.name}, in English: {ends}",
            f"{direction.name}, against English phrase by phrase: "
            f"{_against_english(direction, rows)}",
        ]
    return findings


def _against_english(direction: Direction, rows: Sequence[dict[str, Cell]]) -> str:
    mine = [row for row in rows if row["direction"] == direction.name and row["language"] != "en"]
    unread = _unread(direction, rows)
    read = [row for row in mine if str(row["language"]) not in unread]
    up = [_name(row) for row in read if float(row["minus low"] or 0) > 0]
    down = [_name(row) for row in read if float(row["minus high"] or 0) < 0]
    left = f" (check below {LEAST_CHECK}, not read: {', '.join(sorted(unread))})"
    summary = f"higher in {', '.join(up) or 'none'}; lower in {', '.join(down) or 'none'}"
    return summary + (left if unread else "")


def _unread(direction: Direction, rows: Sequence[dict[str, Cell]]) -> set[str]:
    """Languages whose own words for both ends lie too close together.

    A line without such words counts as checked where the others are.
    """
    mine = rows if direction.checks is None else [
        row for row in rows if row["direction"] == direction.name
    ]  # fmt: skip
    return {str(row["language"]) for row in mine
            if row["check"] is not None and float(row["check"]) < LEAST_CHECK}  # fmt: skip


def _name(row: Mapping[str, Cell]) -> str:
    form = {MASCULINE: " (m)", FEMININE: " (f)"}.get(str(row["form"]), "")
    return f"{row['language']}{form}"
