"""`m2m serve` as a process: how it starts, what it refuses, and how it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from serving import colors_index, running

SLOW = """
import sys, time
from serving import Words, Colors
import m2m_adapters as m2m
from m2m_adapters.serve.holdings import open_holdings
from m2m_adapters.serve.run import serve
encode = Words.encode
def slowly(self, texts, **options):
    time.sleep(1.0)
    return encode(self, texts)
Words.encode = slowly
index = m2m.load_index(sys.argv[1], target=Colors())
serve(open_holdings([index]), port=0, ready=lambda address, held: print(address, flush=True))
print("ended", flush=True)
"""


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("served")
    colors_index(place)
    return place / "photos"


def refused(*arguments: str, **environment: str) -> str:
    """The one line that `m2m serve` ends with."""
    command = [sys.executable, "-m", "m2m_cli.main", "serve", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120,
                          env={**os.environ, **environment})  # fmt: skip
    assert done.returncode == 2 and done.stdout == "", done.stderr
    (line,) = done.stderr.splitlines()
    return line


def test_what_cannot_be_served_is_refused_in_one_line(index: Path, tmp_path: Path) -> None:
    assert "is not an index" in refused(str(tmp_path))
    assert "named twice" in refused(str(index), str(index), "--port", "0")
    assert "names for" in refused(str(index), "--port", "0", "--name", "a", "--name", "b")
    assert "M2M_API_KEY" in refused(str(index), M2M_API_KEY="two words")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert "cannot listen" in refused(str(index), "--port", port)
    assert "cannot listen" in refused(str(index), "--host", "no.such.host.invalid")
    assert "adapter" in refused(str(index), "--port", "0", "--adapter", str(tmp_path))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_request_under_way_is_answered_before_the_end(index: Path, number: int) -> None:
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, str(index)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    answers: list[Any] = []

    def ask() -> None:
        answers.append(httpx.post(f"{address}search", json={"query": "blue", "k": 1}, timeout=30))

    asking = threading.Thread(target=ask)
    asking.start()
    time.sleep(0.5)
    process.send_signal(number)
    asking.join(30)
    said, errors = process.communicate(timeout=30)
    assert answers and answers[0].json()["hits"][0]["path"].endswith("blue.png")
    assert (process.returncode, said.strip()) == (0, "ended"), errors
    assert errors == ""


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (["--host", "127.0.0.2"], ["127.0.0.2", "localhost"]),
        (["--allow-host", "Photos.Example:8443"], ["photos.example", "PHOTOS.example:8443"]),
        (["--host", "0.0.0.0", "--allow-host", "NAS"], ["nas", "Nas:7860", "0.0.0.0"]),
    ],
)
def test_the_names_by_which_it_may_be_called(
    index: Path, options: list[str], names: list[str]
) -> None:
    with running(str(index), *options) as address:
        for name in names:
            assert httpx.get(f"{address}health", headers={"Host": name}).status_code == 200, name
        assert httpx.get(f"{address}health", headers={"Host": "evil"}).status_code == 421


def test_answers_are_sent_at_once() -> None:
    """asyncio sets TCP_NODELAY only where the protocol is named; else each answer waits 40 ms."""
    from m2m_adapters.serve.run import _listening

    with _listening("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP
