"""Language codes as data sets write them -> one code each, with name, script and family."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

# code | ISO 639-2/3 codes | name | script | family (branch, where the family is large)
_TABLE = """
af|afr|Afrikaans|Latin|Germanic
am|amh|Amharic|Ethiopic|Semitic
ar|ara arb|Arabic|Arabic|Semitic
as|asm|Assamese|Bengali|Indo-Aryan
az|aze azj|Azerbaijani|Latin|Turkic
be|bel|Belarusian|Cyrillic|Slavic
bg|bul|Bulgarian|Cyrillic|Slavic
bn|ben|Bengali|Bengali|Indo-Aryan
bo|bod tib|Tibetan|Tibetan|Sino-Tibetan
bs|bos|Bosnian|Latin|Slavic
ca|cat|Catalan|Latin|Romance
ceb|ceb|Cebuano|Latin|Austronesian
co|cos|Corsican|Latin|Romance
cs|ces cze|Czech|Latin|Slavic
cy|cym wel|Welsh|Latin|Celtic
da|dan|Danish|Latin|Germanic
de|deu ger|German|Latin|Germanic
el|ell gre|Greek|Greek|Hellenic
en|eng|English|Latin|Germanic
eo|epo|Esperanto|Latin|Constructed
es|spa|Spanish|Latin|Romance
et|est ekk|Estonian|Latin|Uralic
eu|eus baq|Basque|Latin|Isolate
fa|fas per pes|Persian|Arabic|Iranian
fi|fin|Finnish|Latin|Uralic
fil|fil|Filipino|Latin|Austronesian
fr|fra fre|French|Latin|Romance
fy|fry|Western Frisian|Latin|Germanic
ga|gle|Irish|Latin|Celtic
gd|gla|Scottish Gaelic|Latin|Celtic
gl|glg|Galician|Latin|Romance
gu|guj|Gujarati|Gujarati|Indo-Aryan
ha|hau|Hausa|Latin|Chadic
haw|haw|Hawaiian|Latin|Austronesian
he|heb|Hebrew|Hebrew|Semitic
hi|hin|Hindi|Devanagari|Indo-Aryan
hmn|hmn|Hmong|Latin|Hmong-Mien
hr|hrv|Croatian|Latin|Slavic
ht|hat|Haitian Creole|Latin|Romance
hu|hun|Hungarian|Latin|Uralic
hy|hye arm|Armenian|Armenian|Armenian
id|ind|Indonesian|Latin|Austronesian
ig|ibo|Igbo|Latin|Niger-Congo
is|isl ice|Icelandic|Latin|Germanic
it|ita|Italian|Latin|Romance
ja|jpn|Japanese|Japanese|Japonic
jv|jav|Javanese|Latin|Austronesian
ka|kat geo|Georgian|Georgian|Kartvelian
kk|kaz|Kazakh|Cyrillic|Turkic
km|khm|Khmer|Khmer|Austroasiatic
kn|kan|Kannada|Kannada|Dravidian
ko|kor|Korean|Hangul|Koreanic
ku|kur kmr|Kurdish|Latin|Iranian
ky|kir|Kyrgyz|Cyrillic|Turkic
la|lat|Latin|Latin|Italic
lb|ltz|Luxembourgish|Latin|Germanic
lo|lao|Lao|Lao|Kra-Dai
lt|lit|Lithuanian|Latin|Baltic
lv|lav lvs|Latvian|Latin|Baltic
mg|mlg plt|Malagasy|Latin|Austronesian
mi|mri mao|Maori|Latin|Austronesian
mk|mkd mac|Macedonian|Cyrillic|Slavic
ml|mal|Malayalam|Malayalam|Dravidian
mn|mon khk|Mongolian|Cyrillic|Mongolic
mr|mar|Marathi|Devanagari|Indo-Aryan
ms|msa may zsm|Malay|Latin|Austronesian
mt|mlt|Maltese|Latin|Semitic
my|mya bur|Burmese|Myanmar|Sino-Tibetan
ne|nep npi|Nepali|Devanagari|Indo-Aryan
nl|nld dut|Dutch|Latin|Germanic
no|nor nob nb nno nn|Norwegian|Latin|Germanic
ny|nya|Chichewa|Latin|Niger-Congo
or|ori ory|Odia|Odia|Indo-Aryan
pa|pan|Punjabi|Gurmukhi|Indo-Aryan
pl|pol|Polish|Latin|Slavic
ps|pus pbt|Pashto|Arabic|Iranian
pt|por|Portuguese|Latin|Romance
qu|que quy quz|Quechua|Latin|Quechuan
ro|ron rum|Romanian|Latin|Romance
ru|rus|Russian|Cyrillic|Slavic
rw|kin|Kinyarwanda|Latin|Niger-Congo
si|sin|Sinhala|Sinhala|Indo-Aryan
sk|slk slo|Slovak|Latin|Slavic
sl|slv|Slovenian|Latin|Slavic
sm|smo|Samoan|Latin|Austronesian
sn|sna|Shona|Latin|Niger-Congo
so|som|Somali|Latin|Cushitic
sq|sqi alb als|Albanian|Latin|Albanian
sr|srp|Serbian|Cyrillic|Slavic
st|sot|Sesotho|Latin|Niger-Congo
su|sun|Sundanese|Latin|Austronesian
sv|swe|Swedish|Latin|Germanic
sw|swa swh|Swahili|Latin|Niger-Congo
ta|tam|Tamil|Tamil|Dravidian
te|tel|Telugu|Telugu|Dravidian
tg|tgk|Tajik|Cyrillic|Iranian
th|tha|Thai|Thai|Kra-Dai
tk|tuk|Turkmen|Latin|Turkic
tl|tgl|Tagalog|Latin|Austronesian
tr|tur|Turkish|Latin|Turkic
tt|tat|Tatar|Cyrillic|Turkic
ug|uig|Uyghur|Arabic|Turkic
uk|ukr|Ukrainian|Cyrillic|Slavic
ur|urd|Urdu|Arabic|Indo-Aryan
uz|uzb uzn|Uzbek|Latin|Turkic
vi|vie|Vietnamese|Latin|Austroasiatic
wo|wol|Wolof|Latin|Niger-Congo
xh|xho|Xhosa|Latin|Niger-Congo
yi|yid ydd|Yiddish|Hebrew|Germanic
yo|yor|Yoruba|Latin|Niger-Congo
yue|yue|Cantonese|Han|Sino-Tibetan
zh|zho chi cmn|Chinese|Han|Sino-Tibetan
zu|zul|Zulu|Latin|Niger-Congo
"""

# Country codes and withdrawn codes that data sets use in place of a language's.
_HABITS = {"jp": "ja", "cz": "cs", "gr": "el", "cn": "zh", "kr": "ko", "ua": "uk", "dk": "da",
           "iw": "he", "in": "id", "ji": "yi", "jw": "jv", "vn": "vi"}  # fmt: skip
_SCRIPTS = {
    "arab": "Arabic", "armn": "Armenian", "beng": "Bengali", "cyrl": "Cyrillic",
    "deva": "Devanagari", "ethi": "Ethiopic", "geor": "Georgian", "grek": "Greek",
    "gujr": "Gujarati", "guru": "Gurmukhi", "hang": "Hangul", "hans": "Han", "hant": "Han",
    "hebr": "Hebrew", "jpan": "Japanese", "khmr": "Khmer", "knda": "Kannada", "laoo": "Lao",
    "latn": "Latin", "mlym": "Malayalam", "mymr": "Myanmar", "orya": "Odia", "sinh": "Sinhala",
    "taml": "Tamil", "telu": "Telugu", "thai": "Thai", "tibt": "Tibetan", "kore": "Hangul",
}  # fmt: skip
RIGHT_TO_LEFT = {"Arabic", "Hebrew"}


@dataclass(frozen=True)
class Language:
    """code: as we write it; script and family are ``"Other"`` when unknown to the table."""

    code: str
    name: str
    script: str
    family: str

    @property
    def direction(self) -> str:
        """``"rtl"`` or ``"ltr"``, as HTML wants it."""
        return "rtl" if self.script in RIGHT_TO_LEFT else "ltr"


@lru_cache(maxsize=1)
def _known() -> tuple[dict[str, Language], dict[str, str]]:
    table: dict[str, Language] = {}
    alias: dict[str, str] = dict(_HABITS)
    for line in _TABLE.strip().splitlines():
        code, others, name, script, family = line.split("|")
        table[code] = Language(code, name, script, family)
        alias[code] = code
        alias[name.lower()] = code
        for other in others.split():
            alias[other] = code
    return table, alias


def normalise(code: str) -> str:
    """One code for all spellings: ``jp``, ``jpn_Jpan`` and ``Japanese`` are ``ja``.

    Regions go (``pt-BR`` is ``pt``); a script stays when it is not the usual one
    (``sr-Latn``, ``zh-Hant``). What is unknown stays as it is, in lower case.
    """
    table, alias = _known()
    parts = [p for p in code.strip().lower().replace("_", "-").split("-") if p]
    if not parts:
        return code.strip().lower()
    whole = " ".join(parts)
    if whole in alias:
        return alias[whole]
    base = alias.get(parts[0], parts[0])
    script = next((p for p in parts[1:] if p in _SCRIPTS), None)
    if base == "zh" and script is None and {"tw", "hk", "mo"} & set(parts[1:]):
        script = "hant"
    usual = table[base].script if base in table else None
    if script is None or script == "hans":
        return base
    if script == "hant" or (usual is not None and _SCRIPTS[script] != usual):
        return f"{base}-{script.title()}"
    return base


def language(code: str) -> Language:
    """What is known of a language, by any spelling of its code."""
    found = normalise(code)
    table, _ = _known()
    base, _, script = found.partition("-")
    known = table.get(base)
    if known is None:
        return Language(found, found, "Other", "Other")
    if not script:
        return known
    name = {"Hant": "traditional", "Latn": "Latin", "Cyrl": "Cyrillic"}.get(
        script, _SCRIPTS[script.lower()]
    )
    return Language(found, f"{known.name} ({name})", _SCRIPTS[script.lower()], known.family)


def is_known(code: str) -> bool:
    """Whether the table has the language."""
    return normalise(code).partition("-")[0] in _known()[0]


def iso3(code: str) -> str:
    """The three-letter code (ISO 639-3) of a language, by any spelling; itself when unknown."""
    base = normalise(code).partition("-")[0]
    for line in _TABLE.strip().splitlines():
        ours, others, *_ = line.split("|")
        if ours == base:
            return others.split()[0]
    return base
