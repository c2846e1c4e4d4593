"""``a+b`` as users write it, folders with odd names included."""

from __future__ import annotations

from pathlib import Path

import pytest

from m2m_adapters.registry.fusion import terms


def test_a_plus_separates_sources_and_not_the_name_of_a_folder(tmp_path: Path) -> None:
    plain, plus = tmp_path / "plain", tmp_path / "c++ models"
    plain.mkdir()
    plus.mkdir()
    cases = {
        "mpnet": ["mpnet"],
        "mpnet+labse+e5-small": ["mpnet", "labse", "e5-small"],
        "0.7*mpnet+0.3*labse": ["0.7*mpnet", "0.3*labse"],
        f"mpnet+st:{plain}": ["mpnet", f"st:{plain}"],
        f"st:{plain}+st:{plus}": [f"st:{plain}", f"st:{plus}"],
        f"3*st:{plain}+4*st:{plain}": [f"3*st:{plain}", f"4*st:{plain}"],
        f"3*st:{plus}+mpnet+4*st:{plus}": [f"3*st:{plus}", "mpnet", f"4*st:{plus}"],
    }
    for expression, expected in cases.items():
        assert terms(expression) == expected, expression


@pytest.mark.parametrize("expression", ["a+", "+a", "a++b"])
def test_an_empty_part_stays_visible(expression: str) -> None:
    assert "" in terms(expression)
