"""Language tags as data sets write them -> one tag each, with name, script and family.

Tags and names come from langcodes and language_data (CLDR). Ours are the families, plain names of
scripts, and the country codes that data sets write in place of a language's.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

# Families; branches where the family is large.
_FAMILIES = {
    "Albanian": "sq",
    "Armenian": "hy",
    "Austroasiatic": "km vi",
    "Austronesian": "ceb fil haw id jv mg mi ms sm su",
    "Baltic": "lt lv",
    "Celtic": "cy ga gd",
    "Chadic": "ha",
    "Constructed": "eo",
    "Cushitic": "so",
    "Dravidian": "kn ml ta te",
    "Germanic": "af da de en fy is lb nl no sv yi",
    "Hellenic": "el",
    "Hmong-Mien": "hmn",
    "Indo-Aryan": "as bn gu hi mr ne or pa si ur",
    "Iranian": "fa ku ps tg",
    "Isolate": "eu",
    "Italic": "la",
    "Japonic": "ja",
    "Kartvelian": "ka",
    "Koreanic": "ko",
    "Kra-Dai": "lo th",
    "Mongolic": "mn",
    "Niger-Congo": "ig ny rw sn st sw wo xh yo zu",
    "Quechuan": "qu",
    "Romance": "ca co es fr gl ht it pt ro",
    "Semitic": "am ar he mt",
    "Sino-Tibetan": "bo my yue zh",
    "Slavic": "be bg bs cs hr mk pl ru sk sl sr uk",
    "Turkic": "az kk ky tk tr tt ug uz",
    "Uralic": "et fi hu",
}
_FAMILY_OF = {code: family for family, codes in _FAMILIES.items() for code in codes.split()}

# Country codes that data sets use in place of a language's, and standards of one language that
# langcodes keeps apart.
_ALIASES = {"jp": "ja", "cz": "cs", "gr": "el", "cn": "zh", "kr": "ko", "ua": "uk", "dk": "da",
            "vn": "vi", "nb": "no", "nn": "no", "pbt": "ps", "quy": "qu"}  # fmt: skip
_SCRIPTS = {
    "Arab": "Arabic", "Armn": "Armenian", "Beng": "Bengali", "Cyrl": "Cyrillic",
    "Deva": "Devanagari", "Ethi": "Ethiopic", "Geor": "Georgian", "Grek": "Greek",
    "Gujr": "Gujarati", "Guru": "Gurmukhi", "Hang": "Hangul", "Hans": "Han", "Hant": "Han",
    "Hebr": "Hebrew", "Jpan": "Japanese", "Khmr": "Khmer", "Knda": "Kannada", "Laoo": "Lao",
    "Latn": "Latin", "Mlym": "Malayalam", "Mymr": "Myanmar", "Orya": "Odia", "Sinh": "Sinhala",
    "Taml": "Tamil", "Telu": "Telugu", "Thai": "Thai", "Tibt": "Tibetan", "Kore": "Hangul",
}  # fmt: skip
RIGHT_TO_LEFT = {"Arabic", "Hebrew"}


@dataclass(frozen=True)
class Language:
    """code: as :func:`normalize_tag` writes it. script and family are ``"Other"`` when unknown."""

    code: str
    name: str
    script: str
    family: str

    @property
    def direction(self) -> str:
        """``"rtl"`` or ``"ltr"``, as HTML wants it."""
        return "rtl" if self.script in RIGHT_TO_LEFT else "ltr"


@lru_cache(maxsize=4096)
def normalize_tag(written: str) -> str:
    """One tag for all spellings: ``jp``, ``jpn_Jpan`` and ``Japanese`` are ``ja``.

    Regions are dropped (``pt-BR`` is ``pt``); a script stays when it is not the usual one
    (``sr-Latn``, ``zh-Hant``). The first part of an unknown tag is kept, in lower case.
    """
    from langcodes.tag_parser import LanguageTagError

    parts = (part.strip() for part in written.lower().replace("_", "-").split("-"))
    plain = "-".join(part for part in parts if part)
    first, _, rest = plain.partition("-")
    first = _ALIASES.get(first, first)
    try:
        return _standard(f"{first}-{rest}" if rest else first, first, written)
    except LanguageTagError:
        return _by_name(written) or (normalize_tag(first) if rest else _by_name(first) or first)


def _standard(tag: str, first: str, written: str) -> str:
    """The usual form of a well-formed tag."""
    import langcodes

    parsed = langcodes.Language.get(langcodes.standardize_tag(tag, macro=True), normalize=False)
    base = _ALIASES.get(parsed.language or "", parsed.language) or first
    if len(base) > 3 or not parsed.is_valid():
        return _by_name(written) or _by_name(base) or base
    script = parsed.maximize().script
    script = "Kore" if script == "Hang" else script
    usual = langcodes.Language.get(base).maximize().script
    return base if script in (None, usual) or script not in _SCRIPTS else f"{base}-{script}"


def _by_name(written: str) -> str | None:
    """The tag of a language called by its English name."""
    import langcodes

    if not written.isprintable():  # langcodes gives wrong answers for a null character
        return None
    try:
        base = langcodes.find(written.strip()).language or ""
    except LookupError:
        return None
    return _ALIASES.get(base, base)


@lru_cache(maxsize=4096)
def language(written: str) -> Language:
    """Name, script and family of a language, by any spelling of its tag."""
    import langcodes

    code = normalize_tag(written)
    base = code.partition("-")[0]
    if base not in _FAMILY_OF:
        return Language(code, code, "Other", "Other")
    parsed = langcodes.Language.get(code)
    script = _SCRIPTS.get(parsed.maximize().script or "", "Other")
    return Language(code, parsed.display_name(), script, _FAMILY_OF[base])


def is_known(written: str) -> bool:
    """Whether the language is one whose family we know."""
    return normalize_tag(written).partition("-")[0] in _FAMILY_OF


def is_language(written: str) -> bool:
    """Whether this is a language at all, by any spelling of its tag."""
    import langcodes

    return bool(written.strip()) and langcodes.tag_is_valid(normalize_tag(written))


def iso3(written: str) -> str:
    """The three-letter code (ISO 639-3) of a language, by any spelling; itself when unknown."""
    import langcodes
    from langcodes.tag_parser import LanguageTagError

    base = normalize_tag(written).partition("-")[0]
    try:
        return str(langcodes.Language.get(base).to_alpha3())
    except (LookupError, LanguageTagError):
        return base
