"""What every test shares: no network, no cache of the user's, no plugin chosen by accident."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from browser import chromium, open_page  # noqa: F401  fixtures

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests never read or write the embeddings the user has stored."""
    monkeypatch.setenv("M2M_CACHE", str(tmp_path_factory.getbasetemp() / "m2m-cache"))
    monkeypatch.delenv("M2M_REGISTRY", raising=False)
    monkeypatch.delenv("M2M_PLUGINS", raising=False)
    monkeypatch.delenv("M2M_STRICT_PLUGINS", raising=False)
