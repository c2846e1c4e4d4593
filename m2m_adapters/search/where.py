"""Filters on metadata: a small language, compiled to SQL with parameters.

::

    date >= 2023-05 and folder = "Urlaub"
    (width > 1000 or size > 2MB) and not suffix in (png, gif)
    duration < 90s and name contains "rain"
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from m2m_adapters.errors import UserError

MAX_CHARACTERS, MAX_WORDS, MAX_DEPTH = 4000, 400, 10
"""Depth: of parentheses and ``not``; SQLite's parser has a stack of 100, of which each takes 6."""
WORD = re.compile(
    r"""\s*(?:(?P<text>"[^"]*"|'[^']*')|(?P<sign><=|>=|!=|==|=|<|>|\(|\)|,)"""
    r"""|(?P<word>[^\s()<>=!,"']+))"""
)
TEXTS = {"path": "i.path", "name": "i.name", "suffix": "i.suffix", "modality": "i.modality",
         "text": "coalesce(i.text, '')"}  # fmt: skip
NUMBERS = {"width": "i.width", "height": "i.height"}
FIELDS = ("date", "folder", "size", "duration", "start", *TEXTS, *NUMBERS)
SIZES = {"": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "k": 1e3, "m": 1e6, "g": 1e9,
         "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}  # fmt: skip
TIMES = {"": 1, "s": 1, "sec": 1, "min": 60, "m": 60, "h": 3600}
NUMBER = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)")
COMPARISONS = ("=", "!=", "<", "<=", ">", ">=")
LANGUAGE = 'such as: date >= 2023-05 and folder = "Holiday" and width > 1000'

Compiled = tuple[str, list[Any]]
"""SQL with a question mark for each parameter, and the parameters."""


def folded(text: str) -> str:
    """As ``contains`` compares texts: without case, accents written in one way. SQLite's own
    ``lower`` knows ASCII only, so conditions call this one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


@dataclass(frozen=True)
class _Word:
    text: str
    kind: str


def compile_where(line: str) -> Compiled:
    """A condition over ``i`` (items) and ``p`` (parts); user's text appears in parameters only."""
    reader = _Reader(_words(line), line)
    compiled = reader.either(0)
    if reader.left():
        raise reader.wrong(f"'{reader.left()}' is not expected there")
    return compiled


def _words(line: str) -> list[_Word]:
    if len(line) > MAX_CHARACTERS:
        raise UserError(f"the filter has {len(line):,} characters", f"use up to {MAX_CHARACTERS:,}")
    words, at = [], 0
    while line[at:].strip():
        match = WORD.match(line, at)
        if match is None:
            raise UserError(f"the filter cannot be read at '{line[at:].strip()[:30]}'", LANGUAGE)
        kind = str(match.lastgroup)
        text = match[kind]
        words.append(_Word(text[1:-1] if kind == "text" else text, kind))
        at = match.end()
    if not words:
        raise UserError("the filter is empty", LANGUAGE)
    if len(words) > MAX_WORDS:
        raise UserError(f"the filter has {len(words)} words", f"use up to {MAX_WORDS}")
    return words


class _Reader:
    """Reads by recursive descent: or, and, not, comparison."""

    def __init__(self, words: list[_Word], line: str) -> None:
        self._words, self._line, self._at = words, line, 0

    def left(self) -> str:
        return self._words[self._at].text if self._at < len(self._words) else ""

    def wrong(self, what: str) -> UserError:
        return UserError(f"the filter '{self._line.strip()[:80]}': {what}", LANGUAGE)

    def _next_is(self, *words: str) -> bool:
        if self._at >= len(self._words) or self._words[self._at].kind == "text":
            return False
        return self._words[self._at].text.lower() in words

    def _take(self, *words: str) -> bool:
        if self._next_is(*words):
            self._at += 1
            return True
        return False

    def _word(self, what: str) -> _Word:
        if self._at >= len(self._words):
            raise self.wrong(f"{what} is missing at its end")
        self._at += 1
        return self._words[self._at - 1]

    def either(self, depth: int) -> Compiled:
        return self._joined("or", self._both, depth)

    def _both(self, depth: int) -> Compiled:
        return self._joined("and", self._one, depth)

    def _joined(self, word: str, operand: Callable[[int], Compiled], depth: int) -> Compiled:
        """In one pair of parentheses, however many there are: SQLite nests only so deep."""
        sql, parameters = operand(depth)
        operands = [sql]
        while self._take(word):
            sql, others = operand(depth)
            operands.append(sql)
            parameters = parameters + others
        return (f"({f' {word.upper()} '.join(operands)})" if operands[1:] else sql), parameters

    def _one(self, depth: int) -> Compiled:
        if depth > MAX_DEPTH:
            raise self.wrong(f"it is nested more than {MAX_DEPTH} deep")
        if self._take("not"):
            sql, parameters = self._one(depth + 1)
            return f"(({sql}) IS NOT TRUE)", parameters  # also of what is not known
        if self._take("("):
            compiled = self.either(depth + 1)
            if not self._take(")"):
                raise self.wrong("a closing parenthesis is missing")
            return compiled
        return self._comparison()

    def _comparison(self) -> Compiled:
        word = self._word("a field")
        field = word.text.lower()
        if word.kind != "word" or field not in FIELDS:
            raise self.wrong(f"'{word.text[:40]}' is not a field; fields are {', '.join(FIELDS)}")
        if self._take("in"):
            return self._among(field)
        if self._take("contains"):
            if field not in (*TEXTS, "folder"):
                raise self.wrong(f"'{field}' is not a text")
            column = TEXTS.get(field, "i.folder")
            return f"instr(folded({column}), ?) > 0", [folded(self._value())]
        sign = self._word("a comparison").text
        sign = "=" if sign == "==" else sign
        if sign not in COMPARISONS:
            raise self.wrong(f"'{sign[:20]}' is not a comparison; use {', '.join(COMPARISONS)}, "
                             "in (...) or contains")  # fmt: skip
        return self._compare(field, sign, self._value())

    def _value(self) -> str:
        word = self._word("a value")
        if word.kind == "sign":
            raise self.wrong(f"a value is missing before '{word.text}'")
        return word.text

    def _among(self, field: str) -> Compiled:
        if not self._take("("):
            raise self.wrong("'in' needs values in parentheses")
        conditions, parameters = [], []
        while True:
            sql, values = self._compare(field, "=", self._value())
            conditions.append(sql)
            parameters += values
            if self._take(")"):
                return f"({' OR '.join(conditions)})", parameters
            if not self._take(","):
                raise self.wrong("values after 'in' are separated by commas")

    def _compare(self, field: str, sign: str, value: str) -> Compiled:
        if field == "date":
            return self._dates(sign, value)
        if field == "folder":
            return self._folders(sign, value)
        if field in TEXTS:
            if sign not in ("=", "!="):
                raise self.wrong(f"'{field}' is a text: use =, !=, in (...) or contains")
            if field == "suffix":
                value = f".{value.lower().lstrip('.')}"
            return f"{TEXTS[field]} {sign} ?", [value]
        if field == "size":
            return f"i.size {sign} ?", [self._number(field, value, SIZES)]
        if field in ("duration", "start"):
            column = "i.duration" if field == "duration" else "coalesce(p.start, 0)"
            return f"{column} {sign} ?", [self._number(field, value, TIMES)]
        return f"{NUMBERS[field]} {sign} ?", [self._number(field, value, {"": 1})]

    def _number(self, field: str, value: str, units: Mapping[str, float]) -> float:
        match = NUMBER.fullmatch(value.lower())
        if match is None or match[2] not in units:
            allowed = ", ".join(unit for unit in units if unit)
            raise self.wrong(f"'{value[:30]}' is not a {field}"
                             + (f"; units are {allowed}" if allowed else ""))  # fmt: skip
        return float(match[1]) * units[match[2]]

    def _folders(self, sign: str, value: str) -> Compiled:
        """An absolute folder and what is below it; else any folder of that name."""
        if sign not in ("=", "!="):
            raise self.wrong("'folder' is a text: use =, !=, in (...) or contains")
        wanted = value.rstrip("/\\")
        if not wanted:
            sql, parameters = "1", []
        elif value.startswith("/") or re.match(r"[A-Za-z]:[\\/]", value):
            sql = "substr(replace(i.folder, '\\', '/') || '/', 1, length(?)) = ?"
            parameters = [wanted.replace("\\", "/") + "/"] * 2
        else:
            sql = "instr('/' || replace(i.folder, '\\', '/') || '/', ?) > 0"
            parameters = [f"/{wanted.replace(chr(92), '/').strip('/')}/"]
        return (sql if sign == "=" else f"NOT ({sql})"), parameters

    def _dates(self, sign: str, value: str) -> Compiled:
        """``2023``, ``2023-05`` and ``2023-05-14`` stand for the whole year, month or day."""
        first, after = self._span(value)
        return {
            "=": ("(i.date >= ? AND i.date < ?)", [first, after]),
            "!=": ("NOT (i.date >= ? AND i.date < ?)", [first, after]),
            "<": ("i.date < ?", [first]),
            "<=": ("i.date < ?", [after]),
            ">": ("i.date >= ?", [after]),
            ">=": ("i.date >= ?", [first]),
        }[sign]

    def _span(self, value: str) -> tuple[str, str]:
        for form in ("%Y", "%Y-%m", "%Y-%m-%d"):
            try:
                first = datetime.strptime(value, form)
                if form == "%Y":
                    after = first.replace(year=first.year + 1)
                elif form == "%Y-%m":
                    after = (first + timedelta(days=31)).replace(day=1)
                else:
                    after = first + timedelta(days=1)
            except (ValueError, OverflowError):
                continue
            return first.isoformat(), after.isoformat()
        raise self.wrong(f"'{value[:30]}' is not a date; write 2023, 2023-05 or 2023-05-14")
