"""Licenses of source, target and corpus, composed."""

from __future__ import annotations

import itertools

import pytest

from m2m_adapters.artifact.licenses import compose, terms_of


def of(source: str | None, target: str | None, corpus: str | None = "cc0-1.0"):  # type: ignore[no-untyped-def]
    return compose({"source": source, "target": target, "corpus": corpus})


@pytest.mark.parametrize(("source", "target", "corpus", "license", "commercial"), [
    ("apache-2.0", "mit", "cc0-1.0", "apache-2.0", True),
    ("apache-2.0", "mit", "cc-by-4.0", "cc-by-4.0", True),
    ("apache-2.0", "mit", None, "apache-2.0", True),
    ("apache-2.0", "cc-by-nc-4.0", "cc-by-4.0", "cc-by-nc-4.0", False),
    ("cc-by-nc-4.0", "cc-by-nc-sa-4.0", "mit", "cc-by-nc-sa-4.0", False),
    ("apache-2.0", "creativeml-openrail-m", "mit", "creativeml-openrail-m", True),
    ("gemma", "openrail++", "mit", "other", True),
    ("gemma", "cc-by-nc-4.0", "mit", "other", False),
    ("apache-2.0", "other", "mit", "other", None),
    ("apache-2.0", None, "mit", "unknown", None),
    ("apache-2.0", "flux-1-dev-non-commercial-license", "mit", "other", False),
    ("apache-2.0", "mit", "gpl-3.0", "gpl-3.0", True),
    ("cc-by-sa-4.0", "cc-by-sa-3.0", "mit", "cc-by-sa-4.0", True),
])  # fmt: skip
def test_compositions(
    source: str, target: str, corpus: str, license: str, commercial: bool | None
) -> None:
    made = of(source, target, corpus)
    assert (made.license, made.commercial, made.conflicts) == (license, commercial, [])


@pytest.mark.parametrize(("source", "target", "corpus"), [
    ("cc-by-sa-4.0", "cc-by-nc-4.0", "mit"),
    ("mit", "cc-by-nc-4.0", "cc-by-sa-3.0"),
    ("gpl-3.0", "gemma", "mit"),
    ("gpl-3.0", "cc-by-sa-4.0", "mit"),
    ("mit", "cc-by-nd-4.0", "mit"),
    ("cc-by-sa-4.0", "cc-by-nc-sa-4.0", "mit"),
])  # fmt: skip
def test_conflicts_are_told_first(source: str, target: str, corpus: str) -> None:
    made = of(source, target, corpus)
    assert made.conflicts and made.license == "other"
    assert made.statements[0] == f"Conflict: {made.conflicts[0]}"


def test_words_for_people() -> None:
    made = of("apache-2.0", "cc-by-nc-4.0", None)
    assert made.statements == [
        "Not for commercial use.",
        "The target (cc-by-nc-4.0) forbids commercial use.",
        "The target (cc-by-nc-4.0) asks to be named.",
        "The license of the corpus is not recorded; the license above is that of the other parts. "
        "Look it up before you share or sell.",
    ]
    assert of("mit", "apache-2.0").statements == []


def test_nothing_becomes_freer_and_order_does_not_matter() -> None:
    names = ["mit", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "gemma",
             "gpl-3.0", "cc-by-nd-4.0", "other", None]  # fmt: skip
    for source, target, corpus in itertools.product(names, repeat=3):
        made = of(source, target, corpus)
        parts = [terms_of(name) for name in (source, target, corpus)]
        if not all(part.commercial for part in parts):
            assert made.commercial is False and made.statements
            assert made.license in ("other", "unknown") or not terms_of(made.license).commercial
        if not made.conflicts and made.license not in ("other", "unknown"):
            composed = terms_of(made.license)
            assert composed.share_alike >= any(part.share_alike for part in parts)
        swapped = of(target, source, corpus)
        assert (swapped.license, swapped.commercial) == (made.license, made.commercial)
        assert len(swapped.conflicts) == len(made.conflicts)


def test_only_the_corpora_may_be_unknown() -> None:
    parts = {"source": "mit", "target": "mit", "corpus": "mit", "corpus 2": None}
    assert compose(parts).license == "apache-2.0"
    assert compose({**parts, "published checkpoint": None}).license == "unknown"
