"""Versions that pip lets stand side by side and that do not work so."""

from __future__ import annotations

import pytest

from m2m_adapters.registry import doctor as diagnosis


def told(monkeypatch: pytest.MonkeyPatch, **versions: str) -> dict[str, diagnosis.Finding]:
    known = {name.replace("_", "-"): number for name, number in versions.items()}
    monkeypatch.setattr(diagnosis, "_version", known.get)
    return {f.what: f for f in [*diagnosis._libraries(), *diagnosis._pairs()]}


def test_laion_clap_beside_a_new_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    found = told(monkeypatch, torch="2.15.0", numpy="2.4.6", laion_clap="1.1.7")
    finding = found["laion-clap with numpy"]
    assert finding.state == "wrong" and "environment of its own" in finding.remedy


def test_an_old_numpy_beside_a_new_pyarrow(monkeypatch: pytest.MonkeyPatch) -> None:
    found = told(monkeypatch, torch="2.15.0", numpy="1.26.4", laion_clap="1.1.7", pyarrow="26.0.0")
    assert found["pyarrow with numpy"].state == "wrong"
    assert "pyarrow<26" in found["pyarrow with numpy"].remedy
    assert "laion-clap with numpy" not in found


def test_what_goes_together(monkeypatch: pytest.MonkeyPatch) -> None:
    for versions in (
        {"numpy": "1.26.4", "laion_clap": "1.1.7", "pyarrow": "25.0.1"},
        {"numpy": "2.4.6", "pyarrow": "26.0.0"},
    ):
        found = told(monkeypatch, torch="2.15.0", **versions)
        assert not [f for f in found.values() if f.state == "wrong"]


def test_laion_clap_is_not_recommended_into_an_environment_it_would_change(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = told(monkeypatch, torch="2.15.0", numpy="2.4.6")["laion-clap"]
    assert here.state == "absent" and "environment of its own" in here.remedy
    assert "2.4.6" in here.remedy
    there = told(monkeypatch, torch="2.15.0", numpy="1.26.4")["laion-clap"]
    assert "environment of its own" not in there.remedy
