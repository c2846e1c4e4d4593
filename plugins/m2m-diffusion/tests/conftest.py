import os
import sys
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
sys.path.insert(0, str(Path(__file__).parent))  # for pipeline_folders
sys.path.insert(0, str(Path(__file__).parents[3] / "tests"))  # for the browser

from browser import chromium, open_page  # noqa: F401  fixtures


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("M2M_CACHE", str(tmp_path_factory.getbasetemp() / "m2m-cache"))
