"""Compose the licenses of source, target and corpus into that of an adapter.

An adapter holds no weight of its source or target, but it is learned from their outputs, so the
card takes the careful view: the strictest of the licenses, every condition named, and a
conflict stated where two of them cannot both be kept. This is a summary, not legal advice.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import combinations

PERMISSIVE = {"apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "unlicense", "isc",
              "afl-3.0", "bsd", "cdla-permissive-2.0", "odc-by", "pddl", "zlib"}  # fmt: skip
COPYLEFT = {"gpl-2.0", "gpl-3.0", "agpl-3.0", "lgpl-3.0", "odbl", "eupl-1.1"}
# Free to use and to sell, with a list of uses that are forbidden.
RESTRICTED = {"openrail", "openrail++", "creativeml-openrail-m", "bigscience-openrail-m", "gemma",
              "bigscience-bloom-rail-1.0", "llama2", "llama3", "llama3.1", "llama3.2",
              "llama3.3"}  # fmt: skip


@dataclass(frozen=True)
class Terms:
    """What one license requires. known: False when only its own text could tell."""

    known: bool = True
    commercial: bool = True
    attribution: bool = False
    share_alike: bool = False
    derivatives: bool = True
    restricted: bool = False


@dataclass(frozen=True)
class Composed:
    """license: an identifier of the hub; statements: sentences for the card, conflicts first.

    commercial: None when a part's license is not known.
    """

    license: str
    commercial: bool | None
    conflicts: list[str] = field(default_factory=list)
    statements: list[str] = field(default_factory=list)


def terms_of(license: str | None) -> Terms:
    """The terms of a license by its identifier on the hub."""
    name = (license or "").strip().lower()
    if name in PERMISSIVE:
        return Terms()
    if name in COPYLEFT:
        return Terms(share_alike=True)
    if name in RESTRICTED:
        return Terms(restricted=True)
    if re.fullmatch(r"cc-by(-nc)?(-sa|-nd)?(-\d\.\d)?", name):
        return Terms(
            commercial="-nc" not in name,
            attribution=True,
            share_alike="-sa" in name,
            derivatives="-nd" not in name,
        )
    if re.search(r"non-?commercial|research-only|\bnc\b", name):
        return Terms(known=False, commercial=False)
    return Terms(known=False)


def compose(parts: dict[str, str | None]) -> Composed:
    """Licenses by part (``source``, ``target``, ``corpus``) -> what the adapter may carry.

    A corpus (``corpus``, ``corpus 2``) of unknown license is stated and decides nothing: it is
    mostly a text of the user's own.
    """
    named = {part: (license or "unknown", terms_of(license)) for part, license in parts.items()}
    conflicts = _conflicts(named)
    statements = [f"Conflict: {line}" for line in conflicts]
    for part, (name, terms) in named.items():
        statements += _conditions(part, name, terms)
    deciding = {p: pair for p, pair in named.items() if pair[1].known or not p.startswith("corpus")}
    bound = [terms for _, terms in deciding.values()]
    commercial: bool | None = True
    if any(not terms.commercial for _, terms in named.values()):
        commercial = False
        statements.insert(len(conflicts), "Not for commercial use.")
    elif any(not terms.known for terms in bound):
        commercial = None
    if conflicts:
        return Composed("other", commercial, conflicts, statements)
    return Composed(_strictest(deciding), commercial, [], statements)


def _unknown(part: str, name: str) -> str:
    if name != "unknown":
        return f"The {part} has terms of its own ({name}); read them before you share or sell."
    if part.startswith("corpus"):
        return (
            f"The license of the {part} is not recorded; the license above is that of the other "
            "parts. Look it up before you share or sell."
        )
    return f"The license of the {part} is not recorded; look it up before you share or sell."


def _conditions(part: str, name: str, terms: Terms) -> list[str]:
    conditions = []
    if not terms.commercial:
        conditions.append(f"The {part} ({name}) forbids commercial use.")
    if not terms.known and terms.commercial:
        conditions.append(_unknown(part, name))
    if terms.attribution:
        conditions.append(f"The {part} ({name}) asks to be named.")
    if terms.share_alike:
        conditions.append(
            f"The {part} ({name}) asks that derived work is shared under the same terms."
        )
    if not terms.derivatives:
        conditions.append(f"The {part} ({name}) does not allow derived work to be shared.")
    if terms.restricted:
        conditions.append(f"The {part} ({name}) forbids certain uses, listed in its license.")
    return conditions


def _conflicts(parts: dict[str, tuple[str, Terms]]) -> list[str]:
    """Licenses that cannot all be kept, in words."""
    conflicts = [
        f"the {part} ({name}) does not allow derived work, which an adapter may be"
        for part, (name, terms) in parts.items()
        if not terms.derivatives
    ]
    for one, other in combinations(parts, 2):
        if not _same_family(parts[one][0], parts[other][0]):
            conflicts += _between(one, other, parts)
    return conflicts


def _between(one: str, other: str, parts: dict[str, tuple[str, Terms]]) -> list[str]:
    """Conflicts between two licenses of different families."""
    conflicts = []
    for sharing, closed in ((one, other), (other, one)):
        (name, sharing_terms), (closed_name, closed_terms) = parts[sharing], parts[closed]
        no_sale = sharing_terms.commercial and not closed_terms.commercial
        if sharing_terms.share_alike and (no_sale or closed_terms.restricted):
            conflicts.append(
                f"the {sharing} ({name}) must be passed on under its own terms, "
                f"the {closed} ({closed_name}) forbids "
                + ("commercial use" if no_sale else "certain uses")
            )
    if all(parts[p][1].share_alike and parts[p][1].commercial for p in (one, other)):
        conflicts.append(
            f"the {one} ({parts[one][0]}) and the {other} ({parts[other][0]}) "
            "each ask for their own terms"
        )
    return conflicts


def _same_family(one: str, other: str) -> bool:
    """Versions of one license: cc-by-sa-3.0 and cc-by-sa-4.0."""
    return re.sub(r"-\d\.\d$", "", one.lower()) == re.sub(r"-\d\.\d$", "", other.lower())


def _strictest(parts: dict[str, tuple[str, Terms]]) -> str:
    """One identifier that keeps every condition, ``other`` where no single one does."""

    def names(asks: Callable[[Terms], bool]) -> set[str]:
        return {name.lower() for name, terms in parts.values() if asks(terms)}

    if unknown := names(lambda terms: not terms.known):
        return "unknown" if unknown == {"unknown"} else "other"
    strict = names(lambda terms: terms.share_alike or not terms.commercial)
    limited = names(lambda terms: terms.restricted)
    if (strict and limited) or len(limited) > 1:
        return "other"
    if strict or limited:
        return _one_of(strict or limited)
    return max(names(lambda terms: terms.attribution), default="apache-2.0")


def _one_of(strict: set[str]) -> str:
    """The strictest of licenses that agree with each other."""
    families = {re.sub(r"-\d\.\d$", "", name) for name in strict}
    # Non-commercial and share-alike together are a license of their own.
    return "cc-by-nc-sa-4.0" if families == {"cc-by-nc", "cc-by-nc-sa"} else max(strict)
