"""Options of a recipe that have no effect are named."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_dist import run_m2m

from m2m_adapters.alignment.recipes import recipe


@pytest.mark.parametrize(
    ("name", "changes", "named"),
    [
        ("paper", {"ridge": 0.5}, ["ridge"]),
        ("auto", {"procrustes": True, "ridge": 0.5}, ["ridge"]),
        ("auto", {"hidden": 7}, ["hidden"]),
        ("closed-form", {"epochs": 3}, ["epochs"]),
        ("paper", {"hidden": 7, "activation": "relu", "epochs": 3}, []),
    ],
)
def test_it_is_said(name: str, changes: dict[str, Any], named: list[str]) -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        recipe(name, **changes)
    assert len(said) == len(named)
    assert all(f"'{key}' has no effect" in str(one.message) for key, one in zip(named, said))


@pytest.mark.parametrize("option", [["--device", "cpu"], ["--all"], ["--patience", "9"]])
def test_pairs_of_vectors_take_no_options_of_encoding(option: list[str], tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.eye(64, dtype=np.float32))
    file = str(tmp_path / "v.npy")
    done = run_m2m("align", "--pairs", file, file, "--out", str(tmp_path / "a"), *option)
    assert done.returncode == 2 and f"{option[0]} cannot be used with --pairs" in done.stderr
