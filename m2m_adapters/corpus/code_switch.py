"""Code-switched queries from parallel captions: the first part of one, the rest of the other.

The rule: a caption falls into units, words where there are blanks and single characters in
scripts without; of the first caption the first share of units, of the second what follows its
first share, joined by a blank. Nothing is random. Position is not meaning: where the order of
words differs, the halves may name one thing twice and leave out another.
"""

from __future__ import annotations

import math
import unicodedata

RULE = "the first half of one caption's words, then the second half of the other's"

# Scripts written without blanks between words: cut between characters.
_UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x3005, 0x3007),  # 々〆〇
    (0x3041, 0x309F),  # hiragana
    (0x30A1, 0x30FF),  # katakana
    (0x3400, 0x4DBF),  # Han, extension A
    (0x4E00, 0x9FFF),  # Han
    (0xF900, 0xFAFF),  # Han, compatibility
    (0xFF66, 0xFF9F),  # katakana, half width
    (0x20000, 0x3FFFF),  # Han, further planes
)
_SMALL = set("ぁぃぅぇぉっゃゅょゎゕゖァィゥェォッャュョヮヵヶーｧｨｩｪｫｬｭｮｯｰﾞﾟ々")
_LEADING = set("เแโใไເແໂໃໄ")  # Thai and Lao vowels written before their consonant


def _unspaced(sign: str) -> bool:
    return any(low <= ord(sign) <= high for low, high in _UNSPACED)


def _katakana(sign: str) -> bool:
    return 0x30A1 <= ord(sign) <= 0x30FF or 0xFF66 <= ord(sign) <= 0xFF9F


def _joins(before: str, sign: str) -> bool:
    """Whether no cut may fall between two neighboring signs of one run without blanks."""
    if unicodedata.category(before) in ("Ps", "Pi") or before in _LEADING:
        return True  # an opening bracket stays with what follows
    if unicodedata.category(sign) in ("Ps", "Pi") and _unspaced(before):
        return False
    if unicodedata.category(sign)[0] not in "LN" or sign in _SMALL:
        return True  # marks of any kind stay with what they follow
    if _katakana(before) and _katakana(sign):
        return True  # a katakana run is mostly one loanword
    return not _unspaced(before) and not _unspaced(sign)


def positions(text: str) -> list[int]:
    """Where the units of a text begin: words, and in scripts without blanks characters."""
    starts = []
    for i, sign in enumerate(text):
        before = text[i - 1] if i else " "
        if not sign.isspace() and (before.isspace() or not _joins(before, sign)):
            starts.append(i)
    return starts


def _share(count: int, share: float) -> int:
    """How many of ``count`` units a share is, halves up; at least one, of several never all."""
    if share in (0.0, 1.0):
        return count if share else 0
    part = math.floor(count * share + 0.5)
    return min(max(part, 1), max(count - 1, 1))


def mixed(a: str, b: str, share: float = 0.5) -> str:
    """The first ``share`` of ``a``'s words, then what follows the first ``share`` of ``b``'s.

    ``share`` 1 gives ``a``, 0 gives ``b``; a text without words leaves the other as it is. A text
    of one word is taken whole.
    """
    if not 0.0 <= share <= 1.0:
        raise ValueError(f"share is {share}, not between 0 and 1")
    a, b = a.strip(), b.strip()
    if not a or share == 0.0:
        return b or a
    if not b or share == 1.0:
        return a
    first, second = positions(a), positions(b)
    taken = _share(len(first), share)
    dropped = _share(len(second), share) if len(second) > 1 else 0
    head = a[: first[taken]] if taken < len(first) else a
    return f"{head.rstrip()} {b[second[dropped] :]}"
