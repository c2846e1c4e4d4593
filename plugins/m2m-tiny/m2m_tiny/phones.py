"""Phones that languages share: the fine phones of a pronunciation -> 30 coarse classes.

A phone that one language has and another lacks falls into the class it sounds most like, so
that an ear trained on a few languages can write down what it hears in others.
"""

from __future__ import annotations

import re
import unicodedata

CLASSES = {
    "a": "aɑɐäʌ", "e": "eɛ", "æ": "æ", "i": "iɪᵻ", "ɨ": "ɨ", "o": "oɔ", "u": "uʊ", "ɯ": "ɯ",
    "y": "yʏ", "ø": "øœɵ", "ə": "əɜɚ",
    "p": "p", "b": "b", "t": "tʈ", "d": "dɖ", "k": "kq", "g": "ɡg", "f": "fɸθ", "v": "vβʋ",
    "s": "s", "z": "zð", "ʃ": "ʃɕʂç", "ʒ": "ʒʑʐ", "h": "hxχħɣ", "m": "m", "n": "nɲŋɴ",
    "l": "lɫɭʎ", "r": "rɾɹʁɽʀ", "j": "jʝ", "w": "w",
}  # fmt: skip
NAMES = ["", *CLASSES]
"""Class number -> name; 0 is silence between phones."""
_CLASS_OF = {letter: name for name, letters in CLASSES.items() for letter in letters}
# eSpeak writes some phones in several letters; what is not listed is read letter by letter.
_SPELLINGS = {"s.": "ʃ", "ts.": "tʃ", "r.": "r", "c": "tʃ", "ɟ": "dʒ", "ʕ": "", "ʔ": ""}
NASAL = "\u0303"
"""The mark of a nasal vowel, behind the vowel."""


def coarse(pronunciation: str) -> list[int]:
    """eSpeak's IPA, ``_`` between phones -> class numbers; stress, length and tone are dropped."""
    classes: list[int] = []
    last = 0
    without_switches = re.sub(r"\([a-z-]+\)", "_", pronunciation)  # to another language: (en)
    for phone in unicodedata.normalize("NFD", without_switches).replace(" ", "_").split("_"):
        bare = "".join(c for c in phone if c not in "ˈˌː" and not c.isdigit())
        for spelling in sorted(_SPELLINGS, key=len, reverse=True):
            bare = bare.replace(spelling, _SPELLINGS[spelling])
        for place, letter in enumerate(bare):
            # h after a stop is its breath (Chinese, Korean), ɜ after a vowel a tone (Chinese).
            if letter in "hɜ" and place:
                continue
            name = "n" if letter == NASAL else _CLASS_OF.get(letter)
            if name is None:
                continue
            number = NAMES.index(name)
            if number != last:  # nobody hears whether a long phone is one or two
                classes.append(number)
            last = number
    return classes
