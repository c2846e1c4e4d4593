"""Code-switched queries: the rule, its ends, and scripts without blanks."""

from __future__ import annotations

import math

import pytest

from m2m_adapters.corpus.code_switch import mixed, positions

ENGLISH = "a red car in the street"
CAPTIONS = {
    "ar": "سيارة حمراء في الشارع",
    "de": "ein rotes Auto auf der Straße",
    "hi": "सड़क पर एक लाल कार",
    "ja": "通りにある赤い自動車",
    "ko": "거리에 있는 빨간 자동차",
    "ru": "красная машина на улице",
    "zh": "街上的一辆红色汽车",
}


def units(text: str) -> list[str]:
    starts = positions(text)
    return [text[i:j].strip() for i, j in zip(starts, [*starts[1:], len(text)])]


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("ar", "سيارة حمراء in the street"),
        ("de", "ein rotes Auto in the street"),
        ("hi", "सड़क पर एक in the street"),
        ("ja", "通りにある in the street"),
        ("ko", "거리에 있는 in the street"),
        ("ru", "красная машина in the street"),
        ("zh", "街上的一辆 in the street"),
    ],
)
def test_halves(language: str, expected: str) -> None:
    assert mixed(CAPTIONS[language], ENGLISH) == expected


def test_english_first() -> None:
    assert mixed(ENGLISH, CAPTIONS["de"]) == "a red car auf der Straße"
    assert mixed(ENGLISH, CAPTIONS["zh"]) == "a red car 红色汽车"


@pytest.mark.parametrize("language", CAPTIONS)
@pytest.mark.parametrize("share", [0.01, 0.25, 0.5, 0.75, 0.99])
def test_both_languages_are_there_and_words_stay_whole(language: str, share: float) -> None:
    a = units(CAPTIONS[language])
    result = units(mixed(CAPTIONS[language], ENGLISH, share))
    taken = [unit for unit in result if unit in a]
    assert 1 <= len(taken) < len(a)
    assert taken == a[: len(taken)]
    rest = result[len(taken) :]
    assert rest and rest == ENGLISH.split()[-len(rest) :]


def test_ends() -> None:
    assert mixed("ein Hund", "a dog", 1.0) == "ein Hund"
    assert mixed("ein Hund", "a dog", 0.0) == "a dog"
    assert mixed("", "a dog") == "a dog"
    assert mixed("ein Hund", "  ") == "ein Hund"
    assert mixed("", "") == ""
    assert mixed("Hund", "dog") == "Hund dog"
    assert mixed("Hund", "a dog") == "Hund dog"


@pytest.mark.parametrize("share", [-0.1, 1.1, math.nan, math.inf])
def test_a_share_is_a_share(share: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        mixed("ein Hund", "a dog", share)


def test_units_without_blanks() -> None:
    assert units("赤いコンピューターと犬。") == ["赤", "い", "コンピューター", "と", "犬。"]
    assert units("我有iPhone15和「书」。") == ["我", "有", "iPhone15", "和", "「书」。"]
    assert units("きょう行った") == ["きょ", "う", "行っ", "た"]
    assert units("เด็กกินข้าว") == ["เด็", "ก", "กิ", "น", "ข้", "า", "ว"]


def test_marks_stay_with_their_letters() -> None:
    assert units("एक लड़की, कुत्ता") == ["एक", "लड़की,", "कुत्ता"]
    assert units("l'été (chaud) well-known") == ["l'été", "(chaud)", "well-known"]
    assert units("cafe\u0301 noir") == ["cafe\u0301", "noir"]


def test_same_every_time() -> None:
    assert len({mixed(CAPTIONS["ja"], ENGLISH, 0.3) for _ in range(5)}) == 1
