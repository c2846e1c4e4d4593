"""The language of queries and that of filters."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from m2m_adapters.errors import UserError
from m2m_adapters.search import metadata
from m2m_adapters.search.metadata import Item, Metadata, Part
from m2m_adapters.search.query import parse
from m2m_adapters.search.where import MAX_DEPTH, compile_where

NAMES = ("ÄPFEL.png", unicodedata.normalize("NFD", "äpfel.png"), "Straße.png", "plain.png")


@pytest.fixture
def items(tmp_path: Path) -> Metadata:
    """Four items without a date, 10 to 40 pixels wide."""
    held = [Item(f"/a/{name}", "/a", name, ".png", 1, 1, "", "image", width=10 * number)
            for number, name in enumerate(NAMES, 1)]  # fmt: skip
    metadata.write(tmp_path / "items.sqlite", held, [Part(number) for number in range(4)])
    return Metadata(tmp_path / "items.sqlite", single=True)


def rows(items: Metadata, line: str) -> list[int]:
    return items.rows_where(*compile_where(line))


def test_contains_ignores_case_in_every_script(items: Metadata) -> None:
    assert rows(items, "name contains äpfel") == rows(items, "name contains ÄPF") == [0, 1]
    assert rows(items, "name contains STRASSE") == [2]
    assert rows(items, "path contains A/PLAIN") == [3]


@pytest.mark.parametrize(
    ("line", "kept"),
    [(" or ".join(["width = 10"] * 100), [0]), (" and ".join(["not width = 10"] * 80), [1, 2, 3]),
     (f"suffix in ({', '.join(['png'] * 198)})", [0, 1, 2, 3]),
     ("not " * MAX_DEPTH + "width = 10", [0]), ("not date > 2020", [0, 1, 2, 3]),
     ("width = 10 or width = 20 and not (width > 15 and width < 25) or width = 40", [0, 3])],
)  # fmt: skip
def test_long_filters_are_answered(items: Metadata, line: str, kept: list[int]) -> None:
    assert rows(items, line) == kept


@pytest.mark.parametrize(("first", "last"), [("width = 10 or width = 20 and (", ")"),
                                             ("not (width = 10 or (", "))"), ("not ", "")])  # fmt: skip
def test_a_filter_is_answered_or_nested_too_deeply(items: Metadata, first: str, last: str) -> None:
    """SQLite's own limit is never reached: its words blame the index."""
    for times in range(1, MAX_DEPTH + 1):
        line = first * times + 'folder != "/b" and date != 2020' + last * times
        try:
            rows(items, line)
        except UserError as error:
            assert "nested more than" in error.what, error.what
    with pytest.raises(UserError, match="nested more than"):
        compile_where(first * (MAX_DEPTH + 1) + "width = 10" + last * (MAX_DEPTH + 1))


@pytest.mark.parametrize("line", ["", "width", "width >", "color = red", "width = wide", "width > 1 x",
                                  "(width > 1", "name > b", "date = yesterday", "size = 5 bananas",
                                  "width in (1", "'; drop table items", "not", "a" * 5000])  # fmt: skip
def test_unclear_filters_are_refused(line: str) -> None:
    with pytest.raises(UserError):
        compile_where(line)


def test_values_of_filters_are_parameters() -> None:
    sql, parameters = compile_where("""name = "x' OR 1=1 --" """)
    assert "OR" not in sql and parameters == ["x' OR 1=1 --"]
    assert compile_where("date = 2023-12")[1] == ["2023-12-01T00:00:00", "2024-01-01T00:00:00"]


def test_sums_are_parsed() -> None:
    def terms(line: str) -> list[tuple[float, str | None]]:
        return [(term.weight, term.text) for term in parse(line).terms]

    assert terms("rock-n-roll C++") == [(1, "rock-n-roll C++")]
    assert terms("2:Hund + Schnee") == [(2, "Hund"), (1, "Schnee")]
    assert terms('"a - b" - "Menschen"') == [(1, "a - b"), (-1, "Menschen")]
    assert terms("16:9 wallpaper") == [(1, "16:9 wallpaper")]
    assert terms("12:30 train - 3:00") == [(1, "12:30 train"), (-1, "3:00")]
    assert terms('2:"9 dogs" + 2: 9 cats') == [(2, "9 dogs"), (2, "9 cats")]
    assert terms("雪 + 犬 - 0.5:猫") == [(1, "雪"), (1, "犬"), (-0.5, "猫")]


@pytest.mark.parametrize(
    "line", ["", " ", "a +", "+ a", '"a', '"a" b', "0:a + b", "a + + b", '""', "a - -"]
)
def test_unclear_queries_are_refused(line: str) -> None:
    with pytest.raises(UserError):
        parse(line)
