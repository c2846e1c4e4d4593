"""How much language resources a language has: classes 0 (least) to 5 of Joshi et al. 2020.

Facts from "The State and Fate of Linguistic Diversity and Inclusion in the NLP World"
(ACL 2020, language list of its authors), of languages that data sets use.
"""

from __future__ import annotations

from m2m_adapters._internal.languages import normalize_tag

_CLASSES = {
    5: "ar zh en fr de ja es",
    4: "eu ca hr cs nl fi hi hu it ko fa pl pt ru sr sv tr vi",
    3: "af bn be bs bg ceb da et gl ka el he id kk la lv lt ms ro sk sl fil ta th uk ur uz",
    2: "am ht ha is ga lo mt mr pa sw xh yo zu wo",
    1: "sq as az my eo ig jv km lb mi no qu so te cy ne kn ml gu hy mk mn",
    0: "si",
}
_CLASS_OF = {code: number for number, codes in _CLASSES.items() for code in codes.split()}


def resource_class(written: str) -> str:
    """``class 0`` to ``class 5``, or ``unknown``."""
    number = _CLASS_OF.get(normalize_tag(written).partition("-")[0])
    return "unknown" if number is None else f"class {number}"
